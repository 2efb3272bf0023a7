import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import type { MediaMessage } from '../../src/domain/content.ts'
import { Conversation, remove as removeConversation } from '../../src/domain/conversation.ts'
import { conversationId, messageId } from '../../src/domain/ids.ts'
import { discard, Media } from '../../src/domain/media.ts'
import { Message } from '../../src/domain/message.ts'
import type { IncomingFile } from '../../src/ports/gateway.ts'
import { createAddresses } from '../../src/write/addresses.ts'
import { createContacts } from '../../src/write/contacts.ts'
import { createFollowConversation, createStartConversation } from '../../src/write/conversations.ts'
import { createReceive } from '../../src/write/receive.ts'
import { AT, context, INSTANCE, JOHN, placeIn } from '../support/facts.ts'
import { pdf, tinyFiles } from '../support/files.ts'
import { testLog } from '../support/log.ts'
import { testMedia } from '../support/media.ts'

const setUp = async () => {
  const log = await testLog()
  const { transact, load, recall, pool } = log
  const numbers = postgresNumbers(pool)
  const hasAutomation = () => Promise.resolve(false)
  const media = await testMedia(log)
  const receive = createReceive({
    transact,
    load,
    numbers,
    followConversation: createFollowConversation(load),
    addresses: createAddresses({ load }),
    linkAddresses: () => Promise.resolve(),
    startConversation: createStartConversation({ transact, load, recall, numbers, hasAutomation }),
    contacts: createContacts({ transact, load, numbers }),
    media,
    baseUrl: 'https://api.example.com/',
  })
  const file = (content: MediaMessage, body: Readable | Buffer, whatsappId = 'A') => {
    const stream = body instanceof Readable ? body : Readable.from([body])
    const incoming: IncomingFile = { whatsappId, chat: JOHN, fromMe: false, content, body: stream }
    return receive.file(INSTANCE, incoming, context)
  }
  const message = (content: MediaMessage, whatsappId = 'A') =>
    receive.message(
      INSTANCE,
      { whatsappId, chat: JOHN, fromMe: false, sender: JOHN, content, at: AT },
      context,
    )
  const stored = async ({ mediaId = '' }: MediaMessage) => (await load(Media, mediaId)).state.file
  const bytesOf = async ({ mediaId = '' }: MediaMessage) => {
    const content = await media.store.open(mediaId)
    return content && buffer(content)
  }
  return { ...log, media, receive, file, message, stored, bytesOf }
}

const document = { kind: 'document', filename: 'report.pdf', mimeType: 'application/x-told' } as const
/** One that must not be read. */
const unread = () =>
  new Readable({
    read() {
      this.destroy(new Error('It was read'))
    },
  })

describe('the file of a message that comes in', () => {
  test('is kept for its message, and what is told of it is what was found, with an address that works', async () => {
    const { file, stored, bytesOf } = await setUp()
    const content = await file({ ...document, caption: 'As promised', size: pdf.length }, pdf)
    const kept = await stored(content)
    expect(content).toEqual({
      kind: 'document',
      caption: 'As promised',
      filename: 'report.pdf',
      mimeType: 'application/pdf',
      size: pdf.length,
      mediaId: expect.any(String),
      url: `https://api.example.com/files/${kept?.key}.pdf`,
    })
    expect(kept).toMatchObject({
      ...placeIn(JOHN),
      messageId: messageId(INSTANCE, 'A'),
      sha256: createHash('sha256').update(pdf).digest('hex'),
    })
    expect(kept).not.toHaveProperty('expiresAt')
    expect(await bytesOf(content)).toEqual(pdf)
  })

  test.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\John\\photo.jpg', 'photo.jpg'],
    ['a\u0000b\n.pdf', 'ab.pdf'],
    ['..//', undefined],
  ])('that is called %j is called %j', async (given, filename) => {
    const { file } = await setUp()
    const { filename: told } = await file({ kind: 'document', filename: given }, pdf)
    expect(told).toBe(filename)
  })

  test('is of its kind, and a sticker is an image', async () => {
    const { file, stored } = await setUp()
    const kinds = [
      ['sticker', 'a.webp', 'image/webp', 'image'],
      ['audio', 'a.opus', 'audio/ogg; codecs=opus', 'audio'],
      ['video', 'a.mp4', 'video/mp4', 'video'],
    ] as const
    for (const [kind, name, mimeType, type] of kinds) {
      const content = await file({ kind, mimeType: 'x/told' }, tinyFiles[name] ?? pdf, name)
      expect(content).toMatchObject({ kind, mimeType })
      expect(await stored(content)).toMatchObject({ type, mimeType })
    }
  })

  test('of a format that nobody knows is what WhatsApp calls it, without parameters', async () => {
    const { file } = await setUp()
    const content = await file({ kind: 'document', mimeType: 'text/x-own; charset=utf-8' }, Buffer.from('?'))
    expect(content.mimeType).toBe('text/x-own')
  })

  test('told again is the same file, and is not read again', async () => {
    const { file } = await setUp()
    const first = await file(document, pdf)
    const body = unread()
    expect(await file(document, body)).toEqual(first)
    expect(body.destroyed).toBe(true)
  })

  test('that breaks off is told as it broke off, and leaves nothing', async () => {
    const { file, media, load } = await setUp()
    const broken = new Error('The SHA-256 is wrong')
    const body = Readable.from(
      (async function* () {
        yield pdf
        throw broken
      })(),
    )
    await expect(file(document, body)).rejects.toBe(broken)
    expect(await readdir(media.spoolFolder)).toEqual([])
    expect((await load(Conversation, conversationId(INSTANCE, JOHN))).state.exists).toBe(false)
    expect(await file(document, pdf)).toHaveProperty('mediaId')
  })

  test('that is larger than anything may be is refused before it is read', async () => {
    const { file } = await setUp()
    const body = unread()
    await expect(file({ ...document, size: 2 ** 31 }, body)).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    })
  })

  test('survives a conversation that is deleted while it comes in', async () => {
    const { file, message, receive, transact, load } = await setUp()
    const content = { kind: 'text', text: 'hi' } as const
    const words = { whatsappId: 'B', chat: JOHN, fromMe: false, sender: JOHN, content, at: AT }
    await receive.message(INSTANCE, words, context)
    const deleting = (async function* () {
      yield pdf
      const at = new Date().toISOString()
      await transact(Conversation, conversationId(INSTANCE, JOHN), removeConversation(at), context)
    })()
    const told = await file(document, Readable.from(deleting))
    await message(told)
    expect((await load(Conversation, conversationId(INSTANCE, JOHN))).state.exists).toBe(true)
    expect((await load(Message, messageId(INSTANCE, 'A'))).state.body?.content).toEqual(told)
    expect((await load(Media, told.mediaId ?? '')).state.deleted).toBe(false)
  })

  test('that went with its conversation before its message was told is told as missing', async () => {
    const { file, message, transact, load } = await setUp()
    const told = await file(document, pdf)
    await transact(Media, told.mediaId ?? '', discard('conversation_deleted', AT), context)
    const missing = { kind: 'document', filename: 'report.pdf', mediaMissing: 'unavailable' }
    const again = await file(document, unread())
    expect(again).toMatchObject(missing)
    await message(told)
    const { body } = (await load(Message, messageId(INSTANCE, 'A'))).state
    expect(body?.content).toMatchObject(missing)
    expect(body?.content).not.toHaveProperty('mediaId')
    expect(body?.content).not.toHaveProperty('url')
  })
})
