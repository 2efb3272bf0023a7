import { expect, test } from 'vitest'
import { Message } from '../../src/domain/message.ts'
import { messageId, namesakeId } from '../../src/domain/ids.ts'
import { AT, context, INSTANCE, JOHN, later, MARY, TEAM } from '../support/facts.ts'
import { testLog } from '../support/log.ts'
import { startReceiving } from '../support/receiving.ts'

const HIDDEN = '171234567890123@lid'
const OTHER_TEAM = '120363009999999999@g.us'
const words = (text: string) => ({ kind: 'text', text }) as const

const open = async () => {
  const log = await testLog()
  const { receive } = startReceiving(log)
  const say = (
    whatsappId: string,
    text: string,
    change: { chat: string; sender?: string; fromMe?: boolean },
  ) =>
    receive.message(
      INSTANCE,
      { whatsappId, fromMe: false, sender: change.chat, content: words(text), at: AT, ...change },
      context,
    )
  const change = (fields: object) =>
    receive.change(INSTANCE, { targetWhatsappId: 'A', fromMe: false, at: later(1), ...fields }, context)
  const message = async (id = messageId(INSTANCE, 'A')) => (await log.load(Message, id)).state
  return { log, receive, say, change, message }
}

test('a stranger changes nothing, whatever the message that he names', async () => {
  const { log, say, change } = await open()
  await say('A', 'hello', { chat: JOHN })
  const head = await log.store.head()
  await change({ by: MARY, chat: MARY, text: 'forged' })
  await change({ by: MARY, chat: MARY })
  await change({ by: MARY, chat: JOHN })
  await change({ by: MARY, chat: JOHN, asAdmin: true })
  await change({ by: JOHN, chat: TEAM, text: 'the right author, in the wrong chat' })
  expect(await log.store.head()).toBe(head)
})

test('an author is the same by each of the names', async () => {
  const { receive, say, change, message } = await open()
  await say('A', 'hello', { chat: TEAM, sender: HIDDEN })
  await change({ by: JOHN, chat: TEAM, text: 'too early' })
  expect((await message()).text).toBeUndefined()
  await receive.addressLink(INSTANCE, { from: HIDDEN, to: JOHN, at: AT }, context)
  await change({ by: JOHN, chat: TEAM, text: 'hello all' })
  expect((await message()).text).toBe('hello all')
  await change({ by: HIDDEN, chat: TEAM, text: 'hello, all' })
  expect((await message()).text).toBe('hello, all')
})

test('an admin takes back what was written in the group, and in no other', async () => {
  const { say, change, message } = await open()
  await say('A', 'hello', { chat: TEAM, sender: JOHN })
  await change({ by: MARY, asAdmin: true })
  await change({ by: MARY, asAdmin: true, chat: OTHER_TEAM })
  expect((await message()).deleted).toBeUndefined()
  await change({ by: MARY, asAdmin: true, chat: TEAM })
  expect((await message()).deleted).toBe(true)
})

test('a message under the id of somebody else’s changes nothing of that, and is not lost', async () => {
  const { log, say, change, message } = await open()
  await say('A', 'from John', { chat: JOHN })
  const { id } = await say('A', 'from Mary', { chat: MARY })
  expect(id).toBe(namesakeId(INSTANCE, 'A', MARY, MARY))
  expect((await message()).body).toMatchObject({ chat: JOHN, content: words('from John') })
  expect((await message(id)).body).toMatchObject({ chat: MARY, content: words('from Mary') })
  const inTeam = await say('A', 'in the group', { chat: TEAM, sender: JOHN })
  expect((await message(inTeam.id)).body).toMatchObject({ chat: TEAM, content: words('in the group') })
  const head = await log.store.head()
  await say('A', 'from Mary', { chat: MARY })
  await say('A', 'from John', { chat: JOHN })
  await say('A', 'in the group', { chat: TEAM, sender: JOHN })
  expect(await log.store.head(), 'told again, each is what is known').toBe(head)

  await change({ by: MARY, chat: MARY, text: 'from Mary, edited' })
  expect((await message(id)).text).toBe('from Mary, edited')
  expect((await message()).text).toBeUndefined()
})

test('who writes under the id of a message that was sent does not suppress it', async () => {
  const { say, receive, message } = await open()
  await say('A', 'to John', { chat: JOHN, fromMe: true })
  const { id } = await say('A', 'from John', { chat: JOHN })
  expect((await message()).direction).toBe('outgoing')
  expect(await message(id)).toMatchObject({ direction: 'incoming', body: { content: words('from John') } })
  await receive.receipt(INSTANCE, { whatsappId: 'A', status: 'read', at: AT }, context)
  expect((await message()).status).toBe('read')
})

test('a message that comes again by the other name of its author is the one that is known', async () => {
  const { log, receive, say } = await open()
  await say('A', 'hello', { chat: HIDDEN })
  await say('B', 'hello', { chat: TEAM, sender: HIDDEN })
  await receive.addressLink(INSTANCE, { from: HIDDEN, to: JOHN, at: AT }, context)
  const head = await log.store.head()
  await say('A', 'hello', { chat: JOHN })
  await say('B', 'hello', { chat: TEAM, sender: JOHN })
  expect(await log.store.head()).toBe(head)
})

test('a reaction counts in the chat of the message, and in no other', async () => {
  const { receive, say, message } = await open()
  await say('A', 'hello', { chat: JOHN })
  const reaction = { targetWhatsappId: 'A', sender: MARY, fromMe: false, emoji: '👎', at: AT }
  await receive.reaction(INSTANCE, { ...reaction, chat: MARY }, context)
  expect((await message()).reactions).toEqual({})
  await receive.reaction(INSTANCE, { ...reaction, chat: JOHN, sender: JOHN, emoji: '👍' }, context)
  expect((await message()).reactions).toEqual({ [JOHN]: '👍' })
})

test('a receipt counts in the chat of the message, by each of its names, and in no other', async () => {
  const { log, receive, say, message } = await open()
  await say('A', 'to John', { chat: JOHN, fromMe: true })
  await say('B', 'to somebody', { chat: HIDDEN, fromMe: true })
  const head = await log.store.head()
  const give = (whatsappId: string, chat: string) =>
    receive.receipt(INSTANCE, { whatsappId, chat, status: 'read', at: AT }, context)
  await give('A', MARY)
  await give('A', TEAM)
  await give('B', JOHN)
  expect(await log.store.head()).toBe(head)
  await give('A', JOHN)
  expect((await message()).status).toBe('read')
  await receive.addressLink(INSTANCE, { from: HIDDEN, to: JOHN, at: AT }, context)
  await give('B', JOHN)
  expect((await message(messageId(INSTANCE, 'B'))).status).toBe('read')
})
