import { proto, WAMessageStatus, type WAMessage } from '@whiskeysockets/baileys'
import { describe, expect, it } from 'vitest'
import type { BaileysClient } from '../../support/baileys.ts'
import { whatsAppForEach } from '../../support/whatsapp.ts'

const world = whatsAppForEach()
const { CIPHERTEXT } = proto.WebMessageInfo.StubType

const send = async (client: BaileysClient, text: string, id?: string): Promise<WAMessage> => {
  const sent = await client.socket.sendMessage(
    world.alice.lid,
    { text },
    id === undefined ? {} : { messageId: id },
  )
  if (!sent) throw new Error('Nothing was sent.')
  return sent
}
const statusOf = (
  client: BaileysClient,
  id: string | null | undefined,
  status: proto.WebMessageInfo.Status,
) =>
  client.events.first(
    (batch) =>
      batch['messages.update']?.some(({ key, update }) => key.id === id && update.status === status) ===
        true ||
      batch['messages.upsert']?.messages.some((each) => each.key.id === id && each.status === status) ===
        true,
  )

/** In a group receipts are events of their own, unless they come together with the message. */
const receiptOf = (client: BaileysClient, id: string | null | undefined) =>
  client.events.first(
    (batch) =>
      batch['message-receipt.update']?.some(({ key }) => key.id === id) === true ||
      batch['messages.upsert']?.messages.some(
        ({ key, userReceipt }) => key.id === id && userReceipt?.length,
      ) === true,
  )

describe('What a contact writes', () => {
  it.each(['pn', 'lid'] as const)('arrives under both addresses, by %s', async (addressing) => {
    const client = await world.linked()
    const id = await world.alice.writeTo(world.shop, 'hello', { addressing })
    const message = await client.message(({ key }) => key.id === id)
    const { jid, lid } = world.alice
    expect(message.key).toMatchObject(
      addressing === 'pn'
        ? { remoteJid: jid, remoteJidAlt: lid, fromMe: false }
        : { remoteJid: lid, remoteJidAlt: jid, fromMe: false },
    )
    expect(message.pushName).toBe('Alice')
    expect(client.text(message)).toBe('hello')
    const receipt = await world.alice.receiptSeen(({ ids }) => ids.includes(id))
    expect(receipt.from).toBe(world.shop)
  })

  it('is read when the client says so', async () => {
    const client = await world.linked()
    const id = await world.alice.writeTo(world.shop, 'read me')
    const { key } = await client.message((message) => message.key.id === id)
    await client.socket.readMessages([key])
    await world.alice.receiptSeen(({ ids, type }) => ids.includes(id) && type === 'read')
  })

  it('may be a reply, a reaction, an edit or a deletion', async () => {
    const client = await world.linked()
    const { shop, alice } = world
    const question = await send(client, 'Tea?')
    await alice.received(({ id }) => id === question.key.id)
    const reply = await alice.writeTo(shop, 'Yes', { replyTo: question.key.id ?? '' })
    const quoted = await client.message(({ key }) => key.id === reply)
    expect(quoted.message?.extendedTextMessage?.contextInfo).toMatchObject({
      stanzaId: question.key.id,
      participant: shop.lid,
    })
    await alice.react(shop, question.key.id ?? '', '🔥')
    const { 'messages.reaction': reactions } = await client.events.first(
      (batch) => 'messages.reaction' in batch,
    )
    expect(reactions?.[0]).toMatchObject({
      key: { id: question.key.id, fromMe: true },
      reaction: { text: '🔥' },
    })
    await alice.edit(shop, reply, 'No')
    const changed = (fits: (update: Partial<WAMessage>) => boolean) =>
      client.events.first(
        (batch) =>
          batch['messages.update']?.some(({ key, update }) => key.id === reply && fits(update)) === true,
      )
    await changed(({ message }) => message?.editedMessage?.message?.conversation === 'No')
    await alice.revoke(shop, reply)
    await changed(({ message }) => message === null)
  })

  it('comes once when the server sends it twice', async () => {
    const client = await world.linked()
    const id = await world.alice.writeTo(world.shop, 'twice', { fault: 'duplicate' })
    const last = await world.alice.writeTo(world.shop, 'last')
    await client.message(({ key }) => key.id === last)
    expect(client.messages().filter(({ key }) => key.id === id)).toHaveLength(1)
    await expect.poll(() => world.shop.devices.get(1)?.queue).toEqual([])
  })

  it('is sent again when the client could not read it', async () => {
    const client = await world.linked()
    const id = await world.alice.writeTo(world.shop, 'second try', { fault: 'corrupt' })
    const message = await client.message((each) => each.key.id === id && client.text(each) !== undefined)
    expect(client.text(message)).toBe('second try')
    const seen = client.messages().filter(({ key }) => key.id === id)
    expect(seen[0]?.messageStubType).toBe(CIPHERTEXT)
    await world.alice.receiptSeen(({ ids, type }) => ids.includes(id) && type === 'retry')
  })
})

describe('What a client writes', () => {
  it('is delivered and read', async () => {
    const client = await world.linked()
    world.alice.answers = ['delivery', 'read']
    const { key } = await send(client, 'hello')
    const received = await world.alice.received(({ id }) => id === key.id)
    expect(received).toMatchObject({ text: 'hello', sender: world.shop, chat: world.alice.lid })
    await statusOf(client, key.id, WAMessageStatus.READ)
    const copy = await world.shop.received(({ id }) => id === key.id)
    expect(copy).toMatchObject({ text: 'hello', sender: world.shop, chat: world.alice.lid })
  })

  it('is found by phone number as well', async () => {
    const client = await world.linked()
    expect(await client.socket.onWhatsApp(world.alice.phoneNumber, '19998887777')).toEqual([
      { jid: world.alice.jid, exists: true },
    ])
    const sent = await client.socket.sendMessage(world.alice.jid, { text: 'by number' })
    const received = await world.alice.received(({ id }) => id === sent?.key.id)
    expect(received.chat).toBe(world.alice.jid)
  })

  it('is shown once, however often it is sent with one id', async () => {
    const client = await world.linked()
    const id = '3EB0AAAABBBBCCCCDDDDEE'
    await send(client, 'once', id)
    await send(client, 'once', id)
    const last = await send(client, 'last')
    await world.alice.received((message) => message.id === last.key.id)
    expect(world.alice.inbox.filter((message) => message.id === id)).toHaveLength(1)
  })

  it('may be refused: nobody gets it', async () => {
    const client = await world.linked()
    world.whatsApp.faults.ack = () => ({ error: '463' })
    const refused = await send(client, 'blocked')
    await statusOf(client, refused.key.id, WAMessageStatus.ERROR)
    world.whatsApp.faults.ack = undefined
    const last = await send(client, 'last')
    await world.alice.received(({ id }) => id === last.key.id)
    expect(world.alice.inbox.map(({ text }) => text)).toEqual(['last'])
  })

  it('may never be acknowledged, and arrive all the same', async () => {
    const client = await world.linked()
    world.whatsApp.faults.ack = () => 'lost'
    const { key } = await send(client, 'no answer')
    await world.alice.received(({ id }) => id === key.id)
    const acks = world.whatsApp.stanzas.all.filter(
      ({ direction, node: { tag, attrs } }) =>
        direction === 'to-client' && tag === 'ack' && attrs.id === key.id,
    )
    expect(acks).toEqual([])
  })

  it('is encrypted anew for a contact that could not read it', async () => {
    const client = await world.linked()
    world.alice.unreadableNext = 1
    const { key } = await send(client, 'again')
    const received = await world.alice.received(({ id }) => id === key.id)
    expect(received.text).toBe('again')
    expect(world.alice.unreadableNext).toBe(0)
  })
})

describe('The phone of the account', () => {
  it.each(['pn', 'lid'] as const)(
    'has what is typed on it copied to the client, by %s',
    async (addressing) => {
      const client = await world.linked()
      const { jid, lid } = world.alice
      const id = await world.shop.writeTo(world.alice, 'from my phone', { addressing })
      const message = await client.message(({ key }) => key.id === id)
      expect(message.key).toMatchObject({
        fromMe: true,
        ...(addressing === 'pn'
          ? { remoteJid: jid, remoteJidAlt: lid }
          : { remoteJid: lid, remoteJidAlt: jid }),
      })
      expect(client.text(message)).toBe('from my phone')
      expect((await world.alice.received((each) => each.id === id)).text).toBe('from my phone')
      await expect.poll(() => world.shop.devices.get(1)?.queue).toEqual([])
    },
  )

  it('tells the client what it has read', async () => {
    const client = await world.linked()
    const id = await world.alice.writeTo(world.shop, 'read on the phone')
    await client.message(({ key }) => key.id === id)
    world.shop.readOnPhone(world.alice, id)
    await statusOf(client, id, WAMessageStatus.READ)
  })

  it('has its reaction to a contact copied', async () => {
    const client = await world.linked()
    const id = await world.alice.writeTo(world.shop, 'nice?')
    await client.message(({ key }) => key.id === id)
    await world.shop.react(world.alice, id, '👍')
    const { 'messages.reaction': reactions } = await client.events.first(
      (batch) => 'messages.reaction' in batch,
    )
    expect(reactions?.[0]).toMatchObject({ key: { id, fromMe: false }, reaction: { key: { fromMe: true } } })
  })
})

describe('Two clients', () => {
  it('talk to each other, and clients of one account see each other', async () => {
    const { whatsApp, shop, alice } = world
    const first = await world.linked()
    const second = world.client()
    await second.link(shop)
    const hers = world.client()
    await hers.link(alice)
    expect([...shop.devices.keys()]).toEqual([1, 2])
    const sent = await send(first, 'to all')
    const got = await hers.message(({ key }) => key.id === sent.key.id)
    expect(got.key).toMatchObject({ remoteJid: shop.lid, fromMe: false })
    const copy = await second.message(({ key }) => key.id === sent.key.id)
    expect(copy.key).toMatchObject({ remoteJid: alice.lid, fromMe: true })
    expect(whatsApp.find(shop.address('lid', 2))).toBe(shop)
  })
})

describe('A group', () => {
  const groupOf = (addressing: 'pn' | 'lid') => {
    const { whatsApp, shop, alice } = world
    const bob = whatsApp.person('Bob')
    const group = { id: '120363000000000001@g.us', addressing, members: [shop, alice, bob] }
    whatsApp.groups.set(group.id, group)
    const participants = group.members.map((member) => ({
      id: member.address(addressing),
      ...(addressing === 'lid' ? { phoneNumber: member.jid } : { lid: member.lid }),
      admin: null,
    }))
    const metadata = {
      id: group.id,
      subject: 'Tea',
      owner: undefined,
      addressingMode: addressing,
      participants,
    }
    return { group, bob, cachedGroupMetadata: async () => metadata }
  }

  it.each(['pn', 'lid'] as const)('hears its members, whoever they write with, by %s', async (addressing) => {
    const { alice } = world
    const { group, bob, cachedGroupMetadata } = groupOf(addressing)
    const client = await world.linked({ cachedGroupMetadata } as Parameters<typeof world.linked>[0])
    for (const text of ['one', 'two']) {
      const id = await alice.writeTo(group.id, text)
      const message = await client.message(({ key }) => key.id === id)
      expect(client.text(message)).toBe(text)
      expect(message.key).toMatchObject({ remoteJid: group.id, participant: alice.address(addressing) })
      expect((await bob.received((each) => each.id === id)).chat).toBe(group.id)
    }
    for (const text of ['three', 'four']) {
      const sent = await client.socket.sendMessage(group.id, { text })
      expect((await alice.received(({ id }) => id === sent?.key.id)).text).toBe(text)
      expect((await bob.received(({ id }) => id === sent?.key.id)).text).toBe(text)
      await receiptOf(client, sent?.key.id)
    }
  })

  it('asks again for what a member or the client could not read', async () => {
    const { alice } = world
    const { group, cachedGroupMetadata } = groupOf('lid')
    const client = await world.linked({ cachedGroupMetadata } as Parameters<typeof world.linked>[0])
    await alice.writeTo(group.id, 'first')
    const id = await alice.writeTo(group.id, 'again', { fault: 'corrupt' })
    await client.message((each) => each.key.id === id && client.text(each) === 'again')
    alice.unreadableNext = 1
    const sent = await client.socket.sendMessage(group.id, { text: 'you too' })
    expect((await alice.received((each) => each.id === sent?.key.id)).text).toBe('you too')
  })
})
