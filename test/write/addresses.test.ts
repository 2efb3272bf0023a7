import { expect, test } from 'vitest'
import { createLocalTurns } from '../../src/local-turns.ts'
import { Address, forget } from '../../src/domain/address.ts'
import { Contact } from '../../src/domain/contact.ts'
import { Conversation, remove, tag } from '../../src/domain/conversation.ts'
import { addressId, contactId, conversationId, messageId } from '../../src/domain/ids.ts'
import { Message } from '../../src/domain/message.ts'
import { AT, context, INSTANCE, JOHN, later, MARY, TEAM } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { startReceiving } from '../support/receiving.ts'
import { startSubscriber } from '../support/subscriber.ts'

const HIDDEN = '171234567890123@lid'
const OLD_SPELLING = '551199999999@s.whatsapp.net'
const TAG = '550e8400-e29b-41d4-a716-446655440001'
const OTHER_INSTANCE = '550e8400-e29b-41d4-a716-446655440099'

const text = (whatsappId: string, chat: string, change: object = {}) => ({
  whatsappId,
  chat,
  fromMe: false,
  sender: chat,
  content: { kind: 'text', text: whatsappId } as const,
  at: AT,
  ...change,
})
const linkOf = (from: string, to: string) => ({ from, to, at: AT })

const open = async () => {
  const log = await testLog()
  const { receive, contacts, conversations } = startReceiving(log)
  const conversation = async (chat: string, instance = INSTANCE) =>
    (await log.load(Conversation, conversationId(instance, chat))).state
  const contact = async (jid: string, instance = INSTANCE) =>
    (await log.load(Contact, contactId(instance, jid))).state
  const message = async (whatsappId: string) =>
    (await log.load(Message, messageId(INSTANCE, whatsappId))).state
  const say = (whatsappId: string, chat: string, change: object = {}) =>
    receive.message(INSTANCE, text(whatsappId, chat, change), context)
  const link = (from: string, to: string, instance = INSTANCE) =>
    receive.addressLink(instance, linkOf(from, to), context)
  const hear = (jid: string, pushName: string, instance = INSTANCE) =>
    contacts.hear({ instanceId: instance, jid, pushName, at: AT }, context)
  return { log, receive, contacts, conversations, conversation, contact, message, say, link, hear }
}

/** Types of all events of the log, with the streams that they are on. */
const eventsOf = async ({ store }: TestLog) => {
  const subscriber = startSubscriber(store)
  const end = await store.head()
  await expect.poll(() => subscriber.events.at(-1)?.position ?? 0n).toBe(end)
  await subscriber.stop()
  return subscriber.events
}

test('of what became one, neither becomes part of itself, also once it was erased which name was the other', async () => {
  const { log, conversation, contact, say, link, hear } = await open()
  for (const jid of [HIDDEN, JOHN]) {
    await say(jid, jid)
    await hear(jid, 'John')
  }
  await link(HIDDEN, JOHN)
  await log.transact(Address, addressId(INSTANCE, HIDDEN), forget(INSTANCE, AT), context)
  const { receive } = startReceiving(log)
  await receive.addressLink(INSTANCE, linkOf(JOHN, HIDDEN), context)
  expect(await conversation(JOHN)).toMatchObject({ exists: true, united: [conversationId(INSTANCE, HIDDEN)] })
  expect(await conversation(JOHN)).not.toHaveProperty('mergedInto')
  expect(await contact(JOHN)).not.toHaveProperty('mergedInto')
  await receive.message(INSTANCE, text('again', JOHN), context)
})

test('what names a person by a hidden id goes to the conversation of the number, once both are known', async () => {
  const { conversation, contact, message, say, link, hear } = await open()
  await link(HIDDEN, JOHN)
  await say('A', HIDDEN)
  await hear(HIDDEN, 'John')
  expect(await message('A')).toMatchObject({
    body: { chat: JOHN, sender: JOHN, conversationId: conversationId(INSTANCE, JOHN) },
  })
  expect(await conversation(JOHN)).toMatchObject({ exists: true })
  expect(await contact(JOHN)).toMatchObject({ person: { jid: JOHN, pushName: 'John' } })
  expect(await conversation(HIDDEN)).toEqual(Conversation.initial)
  expect(await contact(HIDDEN)).toEqual(Contact.initial)
})

test('learned later, both become one: conversation, contact, tags, and what was on its way', async () => {
  const { log, contacts, conversation, contact, message, say, link } = await open()
  await say('A', HIDDEN)
  await say('B', JOHN)
  await contacts.add({ instanceId: INSTANCE, jid: HIDDEN }, { name: 'Hidden', notes: 'VIP' }, context)
  await contacts.add({ instanceId: INSTANCE, jid: JOHN }, { name: 'John' }, context)
  await log.transact(Conversation, conversationId(INSTANCE, HIDDEN), tag([TAG], AT), context)
  await link(HIDDEN, JOHN)
  const { number } = await conversation(JOHN)
  expect(await conversation(HIDDEN)).toMatchObject({
    exists: false,
    mergedInto: { id: conversationId(INSTANCE, JOHN), number, chat: JOHN },
  })
  expect(await conversation(JOHN)).toMatchObject({ exists: true, tags: [TAG] })
  expect((await contact(JOHN)).person?.details).toEqual({ name: 'John', notes: 'VIP' })
  await say('C', HIDDEN)
  expect((await message('C')).body).toMatchObject({
    chat: JOHN,
    conversationId: conversationId(INSTANCE, JOHN),
    conversationNumber: number,
  })
})

test('a person without a conversation of the number goes on under the number of the conversation that there was', async () => {
  const { conversation, contact, say, link, hear } = await open()
  await say('A', HIDDEN)
  await hear(HIDDEN, 'John')
  const { number } = await conversation(HIDDEN)
  await link(HIDDEN, JOHN)
  expect(await conversation(JOHN)).toMatchObject({ exists: true, number })
  expect((await contact(JOHN)).person).toMatchObject({ jid: JOHN, pushName: 'John', saved: false })
})

test('a link that is told again changes nothing, in this process or the next', async () => {
  const { log, say, link, hear } = await open()
  await say('A', HIDDEN)
  await hear(HIDDEN, 'John')
  await link(HIDDEN, JOHN)
  const head = await log.store.head()
  await link(HIDDEN, JOHN)
  const next = log.openProcess()
  await startReceiving(next).receive.addressLink(INSTANCE, linkOf(HIDDEN, JOHN), context)
  expect(await log.store.head()).toBe(head)
})

test('whichever write a crash prevents, the link told again completes it, and the result is the same', async () => {
  const outcome = async (failAt: number) => {
    const { log, say, link, hear, conversation, contact } = await open()
    await say('A', HIDDEN)
    await say('B', JOHN)
    await hear(HIDDEN, 'John')
    await log.transact(Conversation, conversationId(INSTANCE, HIDDEN), tag([TAG], AT), context)
    let writes = 0
    const crashing = startReceiving({
      ...log,
      transact: (...write) => {
        if (++writes === failAt) return Promise.reject(new Error('crashed'))
        return log.transact(...write)
      },
    })
    const told = await crashing.receive.addressLink(INSTANCE, linkOf(HIDDEN, JOHN), context).then(
      () => 'done',
      () => 'crashed',
    )
    await link(HIDDEN, JOHN)
    const types = (await eventsOf(log)).map(({ type }) => type).toSorted()
    return {
      told,
      types,
      state: { ...(await conversation(JOHN)), contact: (await contact(JOHN)).person?.pushName },
    }
  }
  const whole = await outcome(0)
  expect(whole).toMatchObject({ told: 'done', state: { tags: [TAG], contact: 'John' } })
  let failed = 0
  for (let failAt = 1; ; failAt++) {
    const { told, ...result } = await outcome(failAt)
    expect(result).toEqual({ types: whole.types, state: whole.state })
    if (told === 'done') break
    failed++
  }
  expect(failed).toBe(6)
}, 60_000)

test('links lead on: from one name to the next, in whichever order they are learned', async () => {
  for (const links of [
    [linkOf(HIDDEN, OLD_SPELLING), linkOf(OLD_SPELLING, JOHN)],
    [linkOf(OLD_SPELLING, JOHN), linkOf(HIDDEN, OLD_SPELLING)],
  ]) {
    const { log, receive, conversations, message, say } = await open()
    for (const chat of [HIDDEN, OLD_SPELLING, JOHN]) await say(chat, chat)
    for (const link of links) await receive.addressLink(INSTANCE, link, context)
    for (const chat of [HIDDEN, OLD_SPELLING, JOHN]) {
      const { conversationId: of = '' } = (await message(chat)).body ?? {}
      expect((await conversations.follow(of)).id).toBe(conversationId(INSTANCE, JOHN))
      expect((await conversations.find(INSTANCE, chat)).chat).toBe(JOHN)
    }
    const { aliases } = (await log.load(Conversation, conversationId(INSTANCE, JOHN))).state
    expect(new Set(aliases)).toEqual(
      new Set([HIDDEN, OLD_SPELLING].map((chat) => conversationId(INSTANCE, chat)).concat('1', '2')),
    )
  }
})

test('links in a circle lead to one name, whoever is first', async () => {
  const { conversations, say, link } = await open()
  for (const chat of [HIDDEN, OLD_SPELLING, JOHN]) await say(chat, chat)
  await Promise.all([link(HIDDEN, OLD_SPELLING), link(OLD_SPELLING, JOHN), link(JOHN, HIDDEN)])
  const names = await Promise.all(
    [HIDDEN, OLD_SPELLING, JOHN].map(async (chat) => conversations.find(INSTANCE, chat)),
  )
  expect(new Set(names.map(({ id }) => id)).size).toBe(1)
  expect(names[0]?.state.exists).toBe(true)
})

test('an address that has a link keeps it', async () => {
  const { conversations, say, link } = await open()
  await say('A', HIDDEN)
  await say('B', MARY)
  await link(HIDDEN, JOHN)
  await link(HIDDEN, MARY)
  expect((await conversations.find(INSTANCE, HIDDEN)).chat).toBe(JOHN)
  expect((await conversations.find(INSTANCE, MARY)).chat).toBe(MARY)
})

test('groups, and what is no person, are never linked; another instance knows nothing of it', async () => {
  const { log, conversations, say, link } = await open()
  await say('A', TEAM, { sender: JOHN })
  const head = await log.store.head()
  await link(TEAM, JOHN)
  await link(JOHN, TEAM)
  await link('status@broadcast', JOHN)
  await link(JOHN, JOHN)
  await link(JOHN.replace('@', ':7@'), JOHN)
  expect(await log.store.head()).toBe(head)
  await link(HIDDEN, JOHN)
  expect((await conversations.find(OTHER_INSTANCE, HIDDEN)).chat).toBe(HIDDEN)
})

test('a message that was on its way into a conversation when that was merged is moved after it', async () => {
  const { log, link, conversations, message, say } = await open()
  await say('A', HIDDEN)
  const receiving = startReceiving({
    ...log,
    transact: async (decider, ...rest) => {
      if (decider.category === 'message') await link(HIDDEN, JOHN)
      return log.transact(decider, ...rest)
    },
  })
  await receiving.receive.message(INSTANCE, text('late', HIDDEN), context)
  const late = conversationId(INSTANCE, HIDDEN)
  expect((await message('late')).body?.conversationId).toBe(late)
  expect((await conversations.follow(late)).id).toBe(conversationId(INSTANCE, JOHN))
  const merges = (await eventsOf(log)).filter(({ type }) => type === 'ConversationMerged')
  expect(merges.map(({ data }) => Reflect.get(data, 'gathered'))).toEqual([
    undefined,
    messageId(INSTANCE, 'late'),
  ])
  await receiving.receive.message(INSTANCE, text('late', HIDDEN), context)
  await say('A', HIDDEN)
  const head = await log.store.head()
  await say('late', HIDDEN)
  expect(await log.store.head(), 'told again, it is moved once').toBe(head)
})

const linkedFirst = ({ log, link }: Awaited<ReturnType<typeof open>>, category: string) =>
  startReceiving({
    ...log,
    transact: async (decider, ...rest) => {
      if (decider.category === category) await link(HIDDEN, JOHN)
      return log.transact(decider, ...rest)
    },
  })

test('a conversation that starts while it is linked is merged at once', async () => {
  const world = await open()
  const { conversations } = linkedFirst(world, 'conversation')
  const { id } = await conversations.startConversation(INSTANCE, HIDDEN, context)
  expect(id).toBe(conversationId(INSTANCE, JOHN))
  expect((await world.conversations.find(INSTANCE, HIDDEN)).id).toBe(id)
})

test('a contact that is learned while it is linked is merged at once', async () => {
  const world = await open()
  const { contacts } = linkedFirst(world, 'contact')
  await contacts.hear({ instanceId: INSTANCE, jid: HIDDEN, pushName: 'John', at: AT }, context)
  expect((await world.contact(HIDDEN)).mergedInto?.jid).toBe(JOHN)
  expect((await world.contact(JOHN)).person?.pushName).toBe('John')
})

test('linked on several nodes at once, while messages come in on all of them, everything ends in one conversation', async () => {
  const { log, conversations } = await open()
  const inTurn = createLocalTurns()
  const nodes = [1, 2, 3].map(() => startReceiving({ ...log.openProcess(), inTurn, alone: false }))
  const told = nodes.flatMap(({ receive, contacts }, node) => [
    ...[1, 2, 3, 4].map((n) =>
      receive.message(INSTANCE, text(`${node} ${n}`, n % 2 ? HIDDEN : JOHN), context),
    ),
    receive.addressLink(INSTANCE, linkOf(HIDDEN, JOHN), context),
    contacts.hear({ instanceId: INSTANCE, jid: HIDDEN, pushName: `John ${node}`, at: later(node) }, context),
  ])
  await Promise.all(told)
  const one = conversationId(INSTANCE, JOHN)
  expect((await conversations.find(INSTANCE, HIDDEN)).id).toBe(one)
  const events = await eventsOf(log)
  /** Of each message, the conversation that a reader of the log finds it in. */
  const places = new Map<string, string>()
  for (const { type, stream, data } of events) {
    if (type === 'MessageReceived') places.set(stream, String(Reflect.get(data, 'conversationId')))
    if (type !== 'ConversationMerged') continue
    for (const [message, place] of places)
      if (stream === `conversation-${place}`) places.set(message, String(Reflect.get(data, 'into')))
  }
  expect(new Set(places.values())).toEqual(new Set([one]))
  expect(places.size).toBe(12)
})

test('a conversation that is deleted takes its names with it into the next one', async () => {
  const { log, conversation, conversations, say, link } = await open()
  await say('A', HIDDEN)
  await say('B', JOHN)
  await link(HIDDEN, JOHN)
  const id = conversationId(INSTANCE, JOHN)
  await log.transact(Conversation, id, remove(AT), context)
  await say('C', HIDDEN)
  expect(await conversation(JOHN)).toMatchObject({
    exists: true,
    aliases: [conversationId(INSTANCE, HIDDEN), '1'],
  })
  expect((await conversations.find(INSTANCE, HIDDEN)).id).toBe(id)
})
