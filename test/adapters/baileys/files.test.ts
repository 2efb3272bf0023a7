import { randomBytes, randomUUID } from 'node:crypto'
import { watch } from 'node:fs'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { proto } from '@whiskeysockets/baileys'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { BaileysOptions } from '../../../src/adapters/baileys/gateway.ts'
import { openUpload, removeUploadLeftovers } from '../../../src/adapters/baileys/upload.ts'
import { folderMediaStore } from '../../../src/adapters/media/folder.ts'
import type { MediaMessage } from '../../../src/domain/content.ts'
import type { GatewayListener } from '../../../src/ports/gateway.ts'
import { sessionOf, textMessage } from '../../contracts/gateway.ts'
import { messageWith, type Attachment } from '../../stand-ins/whatsapp/media.ts'
import { jpeg, png, tinyFiles } from '../../support/files.ts'
import { gate } from '../../support/subscriber.ts'
import { PATIENCE, startGateway } from './whatsapp.ts'
import { eventually } from '../../support/eventually.ts'

const folder = async () => {
  const path = await mkdtemp(join(tmpdir(), 'zapini-files-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}
/** A store with some files, by their names. */
const storeOf = async (files: Readonly<Record<string, Buffer>>) => {
  const store = folderMediaStore(await folder())
  const ids = new Map<string, string>()
  for (const [name, bytes] of Object.entries(files)) {
    const id = randomUUID()
    await store.put(id, Readable.from([bytes]), bytes.length)
    ids.set(name, id)
  }
  return { store, idOf: (name: string) => ids.get(name) ?? '' }
}

describe('a file that comes in', () => {
  /** An instance whose listener keeps files: what it was told, and the bytes by message. */
  const listening = async () => {
    const world = await startGateway()
    const { gateway, paired } = world
    const shop = await paired()
    await gateway.close(shop.instanceId, { forget: false })
    const files = new Map<string, Buffer>()
    const listener: GatewayListener = {
      ...shop.listener,
      file: async ({ whatsappId, content, body }) => {
        files.set(whatsappId, await buffer(body))
        return { ...content, mediaId: 'kept' }
      },
    }
    await gateway.open(sessionOf(shop.instanceId), listener)
    await world.isConnected(shop)
    const told = (id: string) =>
      vi.waitFor(() => {
        const found = shop.messages.find(({ whatsappId }) => whatsappId === id)
        if (!found) throw new Error('Not told yet')
        return found
      }, PATIENCE)
    return { ...world, shop, files, told, maria: world.whatsApp.person('Maria') }
  }

  it('is there before its message, and those after it come after it', async () => {
    const { world, shop, files, told, maria } = await listening()
    const bytes = randomBytes(500_000)
    const sent: Attachment[] = [
      { kind: 'image', bytes: jpeg, mimetype: 'image/jpeg', caption: 'Look' },
      { kind: 'document', bytes, mimetype: 'application/pdf', fileName: 'a.pdf' },
      { kind: 'voice', bytes: tinyFiles['a.opus'] ?? png, mimetype: 'audio/ogg; codecs=opus' },
    ]
    const ids = []
    for (const file of sent) ids.push(await world.sendFile(maria, shop.owner, file))
    ids.push(await maria.writeTo(shop.owner, 'That is all'))
    await told(ids.at(-1) ?? '')
    expect(shop.messages.map(({ whatsappId }) => whatsappId)).toEqual(ids)
    expect(shop.messages.slice(0, 3).map(({ content }) => content)).toMatchObject([
      { kind: 'image', caption: 'Look', mediaId: 'kept' },
      { kind: 'document', filename: 'a.pdf', size: bytes.length, mediaId: 'kept' },
      { kind: 'audio', mediaId: 'kept' },
    ])
    expect(ids.slice(0, 3).map((id) => files.get(id))).toEqual(sent.map((file) => file.bytes))
  })

  const pathOf = ({ imageMessage }: proto.IMessage) => imageMessage?.directPath ?? ''
  const photo = (bytes: Buffer) => ({ kind: 'image', bytes, mimetype: 'image/jpeg' }) as const

  it('and has expired is there once the phone has uploaded it again', async () => {
    const { world, shop, files, told, maria } = await listening()
    const message = await messageWith(world.host, photo(jpeg))
    world.host.expire(pathOf(message))
    const id = await maria.writeTo(shop.owner, message)
    expect((await told(id)).content).toMatchObject({ kind: 'image', mediaId: 'kept' })
    expect(files.get(id)).toEqual(jpeg)
  })

  it('and no phone has any more is missing, and its message is there in its turn', async () => {
    const { world, shop, told, maria, logs } = await listening()
    const message = await messageWith(world.host, photo(jpeg))
    world.host.expire(pathOf(message), 404)
    const id = '3A00000000000000FF'
    world.lostFiles.add(id)
    await maria.writeTo(shop.owner, message, { id })
    const after = await maria.writeTo(shop.owner, 'Did you get it?')
    await told(after)
    expect(shop.messages.map(({ whatsappId }) => whatsappId)).toEqual([id, after])
    expect(shop.messages[0]?.content).toMatchObject({ kind: 'image', mediaMissing: 'expired' })
    expect(logs).toContainEqual(expect.objectContaining({ text: 'a file could not be had' }))
  })

  it('and was damaged on the way is missing', async () => {
    const { world, shop, files, told, maria } = await listening()
    const message = await messageWith(world.host, photo(randomBytes(10_000)))
    world.host.damage(pathOf(message))
    const { content } = await told(await maria.writeTo(shop.owner, message))
    expect(content).toMatchObject({ kind: 'image', mediaMissing: 'damaged' })
    expect(content).not.toHaveProperty('mediaId')
    expect(files.size).toBe(0)
  })
})

/** For what programs share, a folder of this test; answers the names that came up in it. */
const watchedTmpdir = async () => {
  const path = await folder()
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = path
  const names = new Set<string>()
  const watcher = watch(path, (_, name) => name !== null && names.add(name))
  onTestFinished(() => {
    watcher.close()
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  })
  return { path, names }
}

describe('a file that goes out', () => {
  const files = {
    'a.png': png,
    'a.mp4': randomBytes(300_000),
    'a.opus': tinyFiles['a.opus'] ?? png,
    'a.pdf': randomBytes(1000),
    'a.webp': tinyFiles['a.webp'] ?? png,
  }
  const sending = async (timing: BaileysOptions['timing'] = {}) => {
    const { store, idOf } = await storeOf(files)
    const world = await startGateway({ mediaStore: store, timing })
    const { instanceId } = await world.paired()
    const maria = world.whatsApp.person('Maria')
    const send = (content: MediaMessage) => {
      const whatsappId = `3EB0${randomBytes(9).toString('hex').toUpperCase()}`
      return world.gateway.send({ instanceId, whatsappId, chat: maria.jid, content })
    }
    return { ...world, store, instanceId, maria, idOf, send }
  }

  it('arrives as it is kept, with what is shown of it, and is nowhere in the clear meanwhile', async () => {
    const { world, maria, idOf, send } = await sending()
    const { path, names } = await watchedTmpdir()
    const sent: [MediaMessage, string, object][] = [
      [
        { kind: 'image', mimeType: 'image/png', caption: 'Look' },
        'a.png',
        { imageMessage: { mimetype: 'image/png', caption: 'Look', width: 1, height: 1 } },
      ],
      [{ kind: 'video', mimeType: 'video/mp4' }, 'a.mp4', { videoMessage: { mimetype: 'video/mp4' } }],
      [
        { kind: 'audio', mimeType: 'audio/ogg; codecs=opus' },
        'a.opus',
        { audioMessage: { ptt: true, mimetype: 'audio/ogg; codecs=opus' } },
      ],
      [
        { kind: 'document', mimeType: 'application/pdf', filename: 'Report.pdf' },
        'a.pdf',
        { documentMessage: { fileName: 'Report.pdf' } },
      ],
      [{ kind: 'sticker', mimeType: 'image/webp' }, 'a.webp', { stickerMessage: { mimetype: 'image/webp' } }],
    ]
    for (const [content, name] of sent)
      expect(await send({ ...content, mediaId: idOf(name) })).toMatchObject({ kind: 'sent' })
    expect(maria.inbox).toHaveLength(sent.length)
    for (const [n, [, name, message]] of sent.entries()) {
      const got = maria.inbox[n]?.message ?? {}
      expect(got).toMatchObject(message)
      expect((await world.openFile(got)).equals(files[name as keyof typeof files])).toBe(true)
    }
    expect(maria.inbox[0]?.message.imageMessage?.jpegThumbnail?.length).toBeGreaterThan(100)
    await eventually(() => expect(names.size).toBeGreaterThan(0))
    expect([...names].filter((name) => !name.endsWith('-enc'))).toEqual([])
    expect(await readdir(path)).toEqual([])
  })

  it('goes once WhatsApp says where to, which it did not say before', async () => {
    const { whatsApp, maria, idOf, send } = await sending({ callMs: 500 })
    const image = { kind: 'image', mimeType: 'image/png', mediaId: idOf('a.png') } as const
    const answering = (answer: ReturnType<NonNullable<typeof whatsApp.faults.iq>>) => {
      whatsApp.faults.iq = ({ attrs }) => (attrs['xmlns'] === 'w:m' ? answer : undefined)
    }
    answering([{ tag: 'error', attrs: { code: '503', text: 'service-unavailable' } }])
    expect(await send(image)).toMatchObject({ kind: 'retry', reason: expect.stringContaining('503') })
    answering('silence')
    expect(await send(image)).toMatchObject({ kind: 'retry', reason: expect.stringContaining('in time') })
    whatsApp.faults.iq = undefined
    await vi.waitFor(async () => expect((await send(image)).kind).toBe('sent'), PATIENCE)
    expect(maria.inbox).toHaveLength(1)
  })

  it('waits where many go: few are on their way at once', async () => {
    const { store, gateway, instanceId, maria, idOf, send } = await sending()
    const open = store.open.bind(store)
    const { opened: mayOpen, open: letOpen } = gate()
    const opened = vi.spyOn(store, 'open').mockImplementation(async (id) => mayOpen.then(() => open(id)))
    const document = { kind: 'document', mimeType: 'application/pdf', mediaId: idOf('a.pdf') } as const
    const sent = Promise.all(Array.from({ length: 20 }, () => send(document)))
    await vi.waitFor(() => expect(opened.mock.calls.length).toBeGreaterThanOrEqual(8), PATIENCE)
    // A text goes meanwhile.
    expect(await gateway.send({ ...textMessage(instanceId, 'Hello'), chat: maria.jid })).toMatchObject({
      kind: 'sent',
    })
    expect(opened).toHaveBeenCalledTimes(8)
    letOpen()
    expect(new Set((await sent).map(({ kind }) => kind))).toEqual(new Set(['sent']))
  })

  it('and is not there, or never was, is refused in plain words', async () => {
    const { send, maria } = await sending()
    const urlOnly = { kind: 'image', url: 'https://example.com/a.jpg' } as const
    for (const content of [urlOnly, { kind: 'image', mediaId: randomUUID() } as const])
      expect(await send(content)).toEqual({ kind: 'refused', reason: 'The file is not there any more' })
    expect(maria.inbox).toEqual([])
  })

  it('and cannot be looked into is sent all the same', async () => {
    const { store, idOf } = await storeOf({ broken: randomBytes(100) })
    for (const kind of ['image', 'audio'] as const) {
      const upload = await openUpload({ kind, mediaId: idOf('broken') }, store)
      expect(upload).toMatchObject(kind === 'image' ? { jpegThumbnail: '' } : { seconds: 0 })
      expect((await buffer(upload?.stream ?? Readable.from([]))).length).toBe(100)
    }
  })
})

it('what a crash left of uploads is removed, and nothing else', async () => {
  const path = await folder()
  const old = ['image3EB00123456789ABCDEF01-enc', 'document3EB00123456789ABCDEF01-original']
  const others = ['video3EB00123456789ABCDEF02-enc', 'image-enc', 'somebody-elses']
  for (const name of [...old, ...others]) await writeFile(join(path, name), 'x')
  const before = new Date(Date.now() - 2 * 86_400_000)
  for (const name of [...old, 'image-enc', 'somebody-elses']) await utimes(join(path, name), before, before)
  await removeUploadLeftovers(path)
  expect((await readdir(path)).toSorted()).toEqual(others.toSorted())
})
