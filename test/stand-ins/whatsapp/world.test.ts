import { setTimeout as sleep } from 'node:timers/promises'
import { downloadMediaMessage, proto, type WAMessage, type WAMessageKey } from '@whiskeysockets/baileys'
import { beforeAll, describe, expect, it } from 'vitest'
import { Agent } from 'undici'
import { testCertificate } from '../../support/certificate.ts'
import type { BaileysClient } from '../../support/baileys.ts'
import { whatsAppWorld } from '../../support/whatsapp-world.ts'
import type { Attachment } from './media.ts'
import type { Person } from './whatsapp.ts'

const test = whatsAppWorld()
const dispatcher = new Agent({ connect: { ca: testCertificate } })
let shop: Person, alice: Person
let client: BaileysClient
beforeAll(async () => {
  ;({ person: shop, client } = await test.linked('Shop'))
  alice = test.person('Alice')
})

describe('files', () => {
  const bytes = Buffer.from('a voice, a picture or a paper '.repeat(500))
  const jpeg = Buffer.from(
    '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=',
    'base64',
  )
  // The types know the fetch of Node, whose dispatcher is of another version.
  const options: object = { dispatcher }
  const download = (message: WAMessage) => downloadMediaMessage(message, 'buffer', { options })
  const sent = async (file: Attachment) => {
    const id = await test.world.sendFile(alice, shop, file)
    return client.message((one) => one.key.id === id)
  }
  const pathOf = ({ message }: WAMessage) => message?.documentMessage?.directPath ?? ''
  const document: Attachment = { kind: 'document', bytes, mimetype: 'text/plain', fileName: 'paper.txt' }

  it.each<Attachment>([
    { kind: 'image', bytes: jpeg, mimetype: 'image/jpeg', caption: 'Look' },
    { kind: 'video', bytes, mimetype: 'video/mp4' },
    document,
    { ...document, caption: 'Read' },
    { kind: 'voice', bytes, mimetype: 'audio/ogg; codecs=opus' },
    { kind: 'sticker', bytes, mimetype: 'image/webp' },
  ])('the client reads what a person sends: $kind', async (file) => {
    expect(await download(await sent(file))).toEqual(Buffer.from(file.bytes))
  })
  it('a person reads what the client sends, if all of it is right', async () => {
    const message = await client.socket.sendMessage(alice.jid, {
      document: bytes,
      mimetype: 'text/plain',
      fileName: 'b.txt',
    })
    const { message: got } = await alice.received(({ id }) => id === message?.key.id)
    expect(await test.world.openFile(got)).toEqual(bytes)
    expect(test.world.host.uploads.at(-1)).toMatchObject({
      path: expect.stringMatching(/^\/mms\/document\//),
    })
    await expect(
      test.world.openFile({ documentMessage: { ...got.documentMessage, fileSha256: Buffer.alloc(32) } }),
    ).rejects.toThrow('SHA-256')
  })
  it('an upload that fails is reported to the client', async () => {
    test.world.host.failUploads(1)
    await expect(
      client.socket.sendMessage(alice.jid, { document: bytes, mimetype: 'text/plain', fileName: 'b.txt' }),
    ).rejects.toMatchObject({ output: { statusCode: 500 } })
  })
  it.each([404, 410] as const)(
    'an old file is refused with %i until the phone has uploaded it again',
    async (status) => {
      const message = await sent(document)
      test.world.host.expire(pathOf(message), status)
      await expect(download(message)).rejects.toMatchObject({ output: { statusCode: status } })
      expect(await download(await client.socket.updateMediaMessage(message))).toEqual(bytes)
    },
  )
  it('a phone that has the file no more says so, and one that is off says nothing', async () => {
    const message = await sent(document)
    test.world.lostFiles.add(message.key.id ?? '')
    await expect(client.socket.updateMediaMessage(message)).rejects.toMatchObject({
      output: { statusCode: 404 },
    })
    test.world.phonesOff.add(shop)
    const asked = client.socket.updateMediaMessage(await sent(document))
    await test.world.whatsApp.stanzas.first(({ node }) => node.attrs.type === 'server-error')
    await client.socket.fetchBlocklist()
    expect(await Promise.race([asked, sleep(0, 'nothing yet')])).toBe('nothing yet')
    test.world.phonesOff.delete(shop)
  })
  it('a damaged file is given out as if it were right', async () => {
    const message = await sent(document)
    test.world.host.damage(pathOf(message))
    const got = await download(message)
    expect(got).not.toEqual(bytes)
  })
})

describe('pictures', () => {
  it('who has none is answered item-not-found; who has one, where it lies; and all hear of it', async () => {
    await expect(client.socket.profilePictureUrl(alice.jid)).rejects.toMatchObject({ data: 404 })
    const url = test.world.pictures.set(alice, Buffer.from('a picture'))
    await client.events.first((batch) => batch['contacts.update']?.[0]?.imgUrl === 'changed')
    expect(await client.socket.profilePictureUrl(alice.jid, 'image')).toBe(url)
    expect(await client.socket.profilePictureUrl(alice.lid)).toBe(url)
    test.world.pictures.set(alice, undefined)
    await expect(client.socket.profilePictureUrl(alice.jid)).rejects.toMatchObject({ data: 404 })
  })
})

describe('presence', () => {
  it('what a client shows in a chat is seen', async () => {
    for (const state of ['composing', 'recording', 'paused'] as const) {
      await client.socket.sendPresenceUpdate(state, alice.lid)
      expect(await test.world.presence.seen.first(({ presence }) => presence === state)).toEqual({
        from: shop,
        presence: state,
        to: alice.lid,
      })
    }
  })
  it('a client sees who types, and who is there once it has asked to know', async () => {
    const shown = (state: string) =>
      client.events.first(
        (batch) => batch['presence.update']?.presences[alice.lid]?.lastKnownPresence === state,
      )
    test.world.presence.show(alice, shop, 'recording')
    await shown('recording')
    await client.socket.presenceSubscribe(alice.lid)
    await test.world.whatsApp.stanzas.first(({ node }) => node.attrs.type === 'subscribe')
    await client.socket.fetchBlocklist()
    test.world.presence.be(alice, 'unavailable')
    await shown('unavailable')
  })
})

describe('the past', () => {
  it('a client is told of the newest at once, with names and both addresses, and of older messages when it asks', async () => {
    const account = test.person('Old shop')
    const bob = test.person('Bob')
    const at = 1_700_000_000
    const messages = Array.from({ length: 5 }, (_, n) => ({
      id: `PAST${n}`,
      from: n % 2 ? account : bob,
      content: `message ${n}`,
      at: at + n,
    }))
    test.world.history.keep(account, [{ with: bob, name: 'Bob from work', messages }], 2)
    const { client: late } = await test.linkedAs(account, { shouldSyncHistoryMessage: () => true })

    const { 'messaging-history.set': first } = await late.events.first(
      (batch) => (batch['messaging-history.set']?.messages.length ?? 0) > 0,
    )
    expect(
      first?.messages.map(({ key, message, messageTimestamp }) => [
        key.id,
        key.fromMe,
        message?.conversation,
        Number(messageTimestamp),
      ]),
    ).toEqual([
      ['PAST4', false, 'message 4', at + 4],
      ['PAST3', true, 'message 3', at + 3],
    ])
    expect(first?.contacts).toContainEqual(
      expect.objectContaining({ id: bob.lid, phoneNumber: bob.jid, name: 'Bob from work' }),
    )
    expect(await late.socket.signalRepository.lidMapping.getPNForLID(bob.lid)).toContain(bob.phoneNumber)
    await late.events.first(
      (batch) =>
        batch['messaging-history.set']?.contacts.some(({ notify }) => notify === 'Bob') === true ||
        batch['contacts.upsert'] !== undefined,
    )

    const oldest: WAMessageKey = { remoteJid: bob.lid, id: 'PAST3', fromMe: true }
    const request = await late.socket.fetchMessageHistory(2, oldest, (at + 3) * 1000)
    const { 'messaging-history.set': older } = await late.events.first(
      (batch) => batch['messaging-history.set']?.peerDataRequestSessionId === request,
    )
    expect(older?.syncType).toBe(proto.HistorySync.HistorySyncType.ON_DEMAND)
    expect(older?.messages.map(({ key }) => key.id)).toEqual(['PAST2', 'PAST1'])
  })
})
