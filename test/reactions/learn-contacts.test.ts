import { expect, onTestFinished, test } from 'vitest'
import { Contact, remove } from '../../src/domain/contact.ts'
import { contactId, messageId } from '../../src/domain/ids.ts'
import { Message, receive, type WhatsAppMessage } from '../../src/domain/message.ts'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { readCheckpoint } from '../../src/projections/checkpoint.ts'
import { learnContacts } from '../../src/reactions/learn-contacts.ts'
import { createReactionRunner } from '../../src/reactions/runner.ts'
import { createContacts } from '../../src/write/contacts.ts'
import { context, incoming, INSTANCE, JOHN, later, MARY, placeIn, TEAM } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { eventually } from '../support/eventually.ts'

type Process = Pick<TestLog, 'pool' | 'store' | 'transact' | 'load'>

/** The learning part of a program, which may run several times; `heard` is every name that it went to the log with. */
const createLearning = ({ pool, store, transact, load }: Process) => {
  const errors: unknown[] = []
  const heard: (string | undefined)[] = []
  const contacts = createContacts({ transact, load, numbers: postgresNumbers(pool) })
  const reaction = learnContacts({
    hear: (one, by) => {
      heard.push(one.pushName)
      return contacts.hear(one, by)
    },
  })
  const runner = createReactionRunner({ pool, store, reaction, onError: (error) => errors.push(error) })
  /** Everything that is in the log has been heard. */
  const settled = () => eventually(async () => expect(runner.status().position).toBe(await store.head()))
  const start = () => {
    const stopping = new AbortController()
    const stopped = runner.run(stopping.signal)
    const stop = async () => {
      stopping.abort()
      await stopped
    }
    onTestFinished(stop)
    return { settled, stop }
  }
  return { heard, errors, start }
}
const startLearning = (process: Process) => {
  const { start, ...learning } = createLearning(process)
  return { ...learning, ...start() }
}
const start = async () => {
  const log = await testLog()
  const learning = startLearning(log)
  log.run({
    run: (signal) =>
      new Promise<void>((done) => signal.addEventListener('abort', () => done(learning.stop()))),
  })
  return { ...log, ...learning }
}

let count = 0
/** Somebody writes. */
const write = (
  { transact }: Process,
  sender: string,
  senderName?: string,
  { chat = sender, fromMe = false, ...more }: Partial<WhatsAppMessage> & { fromMe?: boolean } = {},
) => {
  const id = `m${count++}`
  const { senderName: _, ...message } = incoming(id, { ...placeIn(chat), chat, sender })
  const data: WhatsAppMessage = { ...message, ...(senderName !== undefined && { senderName }), ...more }
  return transact(Message, messageId(INSTANCE, id), receive(data, fromMe), context)
}
const eventsOf = async ({ store }: Process, jid: string) =>
  store.readStream(`contact-${contactId(INSTANCE, jid)}`)
const namesOf = async (process: Process, jid: string) =>
  (await eventsOf(process, jid)).map(({ type, data }) => [type, 'pushName' in data ? data.pushName : null])

test('who writes is learned once, and again under another name', async () => {
  const learning = await start()
  for (const name of ['John', 'John', 'Johnny', 'Johnny']) {
    await write(learning, JOHN, name)
    await learning.settled()
  }
  expect(await namesOf(learning, JOHN)).toEqual([
    ['ContactLearned', 'John'],
    ['ContactLearned', 'Johnny'],
  ])
  expect(learning.heard, 'what is known costs nothing').toEqual(['John', 'Johnny'])
  expect(learning.errors).toEqual([])
})

test('what is learned says from which message, and in whose name', async () => {
  const learning = await start()
  const { position } = await write(learning, JOHN, 'John')
  await learning.settled()
  const [event] = await eventsOf(learning, JOHN)
  const [message] = await learning.store.readStream(`message-${messageId(INSTANCE, `m${count - 1}`)}`)
  expect(message?.position).toBe(position)
  expect(event).toMatchObject({
    data: { number: 1, instanceId: INSTANCE, jid: JOHN, at: message?.meta.at },
    meta: { tenant: context.tenant, actor: { kind: 'gateway' }, correlation: 'test', causation: message?.id },
  })
})

test('a name that is not said adds a number, and takes no name away', async () => {
  const learning = await start()
  for (const name of [undefined, undefined, '  ', 'Mary', undefined]) {
    await write(learning, MARY, name)
    await learning.settled()
  }
  expect(await namesOf(learning, MARY)).toEqual([
    ['ContactLearned', null],
    ['ContactLearned', 'Mary'],
  ])
})

test('in a group the person is learned who wrote, not the group; the own phone is nobody', async () => {
  const learning = await start()
  await write(learning, MARY, 'Mary', { chat: TEAM })
  await write(learning, TEAM, 'Team')
  await write(learning, JOHN, 'Me', { fromMe: true })
  await learning.settled()
  expect(await namesOf(learning, MARY)).toEqual([['ContactLearned', 'Mary']])
  expect(await namesOf(learning, TEAM)).toEqual([])
  expect(await namesOf(learning, JOHN)).toEqual([])
})

test('of many messages at once, the last name of each person is learned', async () => {
  const log = await testLog()
  const people = Array.from({ length: 30 }, (_, n) => `${5_511_900_000_000 + n}@s.whatsapp.net`)
  for (const name of ['first', 'last']) for (const jid of people) await write(log, jid, name)
  const learning = startLearning(log)
  await learning.settled()
  await learning.stop()
  for (const jid of people) expect((await namesOf(log, jid)).at(-1)).toEqual(['ContactLearned', 'last'])
  const numbers = await Promise.all(people.map((jid) => log.load(Contact, contactId(INSTANCE, jid))))
  expect(new Set(numbers.map(({ state }) => state.number)).size).toBe(people.length)
})

test('who was deleted is learned again by the next message, under the same number', async () => {
  const learning = await start()
  await write(learning, JOHN, 'John')
  await learning.settled()
  await learning.transact(Contact, contactId(INSTANCE, JOHN), remove(new Date().toISOString()), context)
  await learning.settled()
  await write(learning, JOHN, 'John')
  await learning.settled()
  const events = await eventsOf(learning, JOHN)
  expect(events.map(({ type }) => type)).toEqual(['ContactLearned', 'ContactDeleted', 'ContactLearned'])
  expect(events.at(-1)?.data).toMatchObject({ number: 1, pushName: 'John' })
})

test('a restart learns nothing twice, even if it hears everything again', async () => {
  const first = await start()
  for (const name of ['John', 'Johnny']) {
    await write(first, JOHN, name)
    await first.settled()
  }
  await write(first, MARY, 'Mary')
  await first.settled()
  await first.transact(Contact, contactId(INSTANCE, MARY), remove(new Date().toISOString()), context)
  await first.settled()
  await first.stop()
  const head = await first.store.head()
  expect(await readCheckpoint(first.pool, 'learn-contacts')).toBe(head)

  await first.pool.query(`delete from checkpoint where name = 'learn-contacts'`)
  const second = startLearning(first.openProcess())
  await second.settled()
  await second.stop()
  expect(second.errors).toEqual([])
  expect(await first.store.head()).toBe(head)
})

test('who goes on where another node was at work learns what changed meanwhile, and changes back', async () => {
  const log = await testLog()
  const here = createLearning(log)
  const there = createLearning(log.openProcess())
  const turns = [
    [here, 'John'],
    [there, 'Johnny'],
    [here, 'John'],
  ] as const
  for (const [learning, name] of turns) {
    await write(log, JOHN, name)
    const run = learning.start()
    await run.settled()
    await run.stop()
  }
  expect((await namesOf(log, JOHN)).map(([, name]) => name)).toEqual(['John', 'Johnny', 'John'])
})

test('whoever wrote before the pairing is learned, by the newest name, in whatever order it comes', async () => {
  const importedAt = new Date().toISOString()
  const past = (seconds: number) => ({ importedAt, at: later(seconds) })
  const process = await testLog()
  await write(process, JOHN, 'Johnny', past(20))
  await write(process, JOHN, 'John', past(10))
  await write(process, MARY, 'Mary', past(10))
  const learning = startLearning(process)
  await learning.settled()
  await write(process, MARY, 'Maria', past(20))
  await learning.settled()
  await write(process, MARY, 'M.', past(5))
  await learning.settled()
  await write(process, JOHN, 'J.')
  await learning.settled()
  expect(await namesOf(process, JOHN)).toEqual([
    ['ContactLearned', 'Johnny'],
    ['ContactLearned', 'J.'],
  ])
  expect(await namesOf(process, MARY)).toEqual([
    ['ContactLearned', 'Mary'],
    ['ContactLearned', 'Maria'],
  ])
})
