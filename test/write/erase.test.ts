import { Kysely, PostgresDialect } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { postgresErasures } from '../../src/adapters/postgres/erasures.ts'
import { postgresSealingKeys } from '../../src/adapters/postgres/sealing-keys.ts'
import { createTargets } from '../../src/cli/erase/targets.ts'
import { Contact, create } from '../../src/domain/contact.ts'
import { Conversation, remove, start } from '../../src/domain/conversation.ts'
import { contactId, conversationId, messageId } from '../../src/domain/ids.ts'
import { edit } from '../../src/domain/message-changes.ts'
import { Message, receive } from '../../src/domain/message.ts'
import { NO_STREAM } from '../../src/ports/event-store.ts'
import type { SealingKeys } from '../../src/ports/sealing-keys.ts'
import type { Database } from '../../src/projections/database.ts'
import { projections } from '../../src/projections/index.ts'
import { createReadModels } from '../../src/projections/read-models.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { eraseDeleted } from '../../src/reactions/erase.ts'
import { removeMedia } from '../../src/reactions/remove-media.ts'
import { createReactionRunner } from '../../src/reactions/runner.ts'
import { sealedStore } from '../../src/sealed-store.ts'
import { createDelete } from '../../src/write/delete.ts'
import { createErase } from '../../src/write/erase.ts'
import { createTransact } from '../../src/write/transact.ts'
import { AT, context, incoming, INSTANCE, JOHN, placeIn, TENANT, toAppend } from '../support/facts.ts'
import { testLog } from '../support/log.ts'
import { allRows } from '../support/rows.ts'
import { ERASED as ERASED_CHAT, tellStory, ZOE } from '../support/story.ts'
import { eventually } from '../support/eventually.ts'

const all: readonly AnyProjection[] = Object.values(projections)
const JOHNS = conversationId(INSTANCE, JOHN)

/** A sealed log, and what erases in it. */
const erasableLog = async () => {
  const log = await testLog()
  const { pool, store: stored } = log
  const onError = (error: unknown) => void log.errors.push(error)
  const keys = postgresSealingKeys({ pool, listenPool: pool, master: undefined, alone: true, onError })
  onTestFinished(keys.close)
  const store = sealedStore(stored, keys)
  const { transact, load } = createTransact(store, () => {}, keys.changes)
  /** Another process, which has not heard of anything. */
  const erasing = (between: Partial<SealingKeys> = {}) =>
    createErase({
      ...createTransact(store),
      ...{ store, stored, keys: { ...keys, ...between }, scrubs: [], erasures: postgresErasures(pool) },
    })

  const deletion = createDelete({ transact, keys, ownersOf: erasing().ownersOf })

  const begin = (chat: string, number: number) =>
    transact(
      Conversation,
      conversationId(INSTANCE, chat),
      start({ number, instanceId: INSTANCE, chat, at: AT }),
      context,
    )
  const say = (text: string, chat: string) =>
    transact(
      Message,
      messageId(INSTANCE, text),
      receive(incoming(text, { ...placeIn(chat), chat, sender: chat }), false),
      context,
    )
  const read = async (text: string) => (await store.readStream(`message-${messageId(INSTANCE, text)}`))[0]
  const deletions = async (stream: string) =>
    (await store.readStream(stream)).filter(({ type }) => type.endsWith('Deleted'))
  return { ...log, store, stored, keys, transact, load, erasing, deletion, begin, say, read, deletions }
}

test('what was said in a deleted conversation reads as erased, and nothing else does', async () => {
  const { begin, say, read, deletion, erasing, deletions } = await erasableLog()
  await begin(JOHN, 1)
  await begin(ZOE, 2)
  await say('secret', JOHN)
  await say('kept', ZOE)
  await deletion.conversation(JOHNS, context)
  await erasing().erase(await deletions(`conversation-${JOHNS}`))
  expect(await read('secret')).toMatchObject({
    erased: true,
    data: { chat: '[erased]', content: { kind: 'text', text: '[erased]' }, conversationId: JOHNS },
  })
  expect(await read('kept')).toMatchObject({ data: { content: { text: 'kept' } } })
  expect(await read('kept')).not.toHaveProperty('erased')
})

test('told of a deletion again, it leaves what began anew since then alone', async () => {
  const { begin, say, read, deletion, erasing, deletions } = await erasableLog()
  await begin(JOHN, 1)
  await say('before', JOHN)
  await deletion.conversation(JOHNS, context)
  await begin(JOHN, 1)
  await say('anew', JOHN)
  const stream = `conversation-${JOHNS}`
  for (const _ of [1, 2]) await erasing().erase(await deletions(stream))
  expect(await read('before')).toMatchObject({ erased: true })
  expect(await read('anew')).toMatchObject({ data: { content: { text: 'anew' } } })
  expect(await deletions(stream)).toHaveLength(1)
})

test('a message that is written while its conversation is deleted comes before it or after it', async () => {
  const { begin, say, read, deletion, erasing, deletions } = await erasableLog()
  await begin(JOHN, 1)
  const texts = Array.from({ length: 40 }, (_, n) => `message ${n}`)
  const writing = texts.map(async (text, n) => {
    if (n === 20) await deletion.conversation(JOHNS, context)
    await say(text, JOHN)
  })
  await Promise.all(writing)
  await begin(JOHN, 1)
  const [deleted] = await deletions(`conversation-${JOHNS}`)
  await erasing().erase(await deletions(`conversation-${JOHNS}`))
  expect(await deletions(`conversation-${JOHNS}`)).toHaveLength(1)
  for (const text of texts) {
    const event = await read(text)
    const isOlder = (event?.position ?? 0n) < (deleted?.position ?? 0n)
    expect([text, event?.erased ?? false]).toEqual([text, isOlder])
  }
})

test('a message that arrives while its conversation is being deleted goes with it', async () => {
  const { begin, say, read, transact, load, erasing, keys, deletions } = await erasableLog()
  await begin(JOHN, 1)
  await transact(Conversation, JOHNS, remove(AT), context)
  // Sealed with the key of what was deleted, it is in the log only once that key is retired.
  let isLate = false
  const retire: SealingKeys['retire'] = async (owners) => {
    if (!isLate) {
      isLate = true
      await begin(JOHN, 1)
      await say('late', JOHN)
    }
    return keys.retire(owners)
  }
  await erasing({ retire }).erase(await deletions(`conversation-${JOHNS}`))
  expect(await read('late')).toMatchObject({ erased: true })
  expect(await deletions(`conversation-${JOHNS}`)).toHaveLength(2)
  expect((await load(Conversation, JOHNS)).state).toMatchObject({ exists: false, number: 1 })
})

test('a message in a conversation that nobody began again goes with it', async () => {
  const { begin, say, read, deletion, erasing, deletions } = await erasableLog()
  await begin(JOHN, 1)
  await deletion.conversation(JOHNS, context)
  await say('unaware', JOHN)
  await erasing().erase(await deletions(`conversation-${JOHNS}`))
  expect(await read('unaware')).toMatchObject({ erased: true })
  expect(await deletions(`conversation-${JOHNS}`)).toHaveLength(2)
})

test('what is said of a message after its conversation was erased leaves nothing', async () => {
  const { begin, say, transact, store, deletion, erasing, deletions } = await erasableLog()
  await begin(JOHN, 1)
  await say('secret', JOHN)
  const change = (text: string) =>
    transact(Message, messageId(INSTANCE, 'secret'), edit(text, false, AT), context)
  await deletion.conversation(JOHNS, context)
  // Until it is erased, it can still be changed, under the next key.
  await change('still a secret')
  await erasing().erase(await deletions(`conversation-${JOHNS}`))
  expect((await change('a secret again')).events).toEqual([])
  const events = await store.readStream(`message-${messageId(INSTANCE, 'secret')}`)
  expect(events.map(({ type, erased }) => [type, erased])).toEqual([
    ['MessageReceived', true],
    ['MessageEdited', true],
  ])
})

test('what was sealed of a conversation after it was erased, and began none, goes with the next time', async () => {
  const log = await erasableLog()
  const { begin, store, deletion, erasing, deletions } = log
  await begin(JOHN, 1)
  await deletion.conversation(JOHNS, context)
  await erasing().erase(await deletions(`conversation-${JOHNS}`))
  const id = JOHNS
  const variables = [{ name: 'answer', value: 'late secret' }]
  const data = { runId: id, automationId: id, messageId: id, heardAt: AT, waitingAt: [0], variables, at: AT }
  await store.append(`run-${id}`, NO_STREAM, [toAppend({ type: 'AutomationRunAdvanced', data })])
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: log.pool }) })
  const none = { contacts: [], addresses: [], messages: [] }
  await createTargets({ db, ...log }).remove({ tenant: TENANT, conversations: [id], ...none })
  await erasing().erase(await deletions(`conversation-${JOHNS}`))
  expect((await store.readStream(`run-${id}`))[0]).toMatchObject({ erased: true })
})

test('a key that came back from a backup keeps what began anew under it, whatever is told again', async () => {
  const { begin, say, read, keys, pool, deletion, erasing, deletions } = await erasableLog()
  await begin(JOHN, 1)
  await say('before', JOHN)
  await deletion.conversation(JOHNS, context)
  await begin(JOHN, 1)
  await say('anew', JOHN)
  // As docs/operations.md brings keys back.
  await pool.query("update sealing_key set state = 'retired' where state = 'in use'")
  await erasing().erase(await deletions(`conversation-${JOHNS}`))
  expect(await read('before')).toMatchObject({ erased: true })
  expect(await read('anew')).toMatchObject({ data: { content: { text: 'anew' } } })
  expect(await deletions(`conversation-${JOHNS}`)).toHaveLength(1)
  await deletion.conversation(JOHNS, context)
  await erasing().erase(await deletions(`conversation-${JOHNS}`))
  expect(await read('anew')).toMatchObject({ erased: true })
  expect(await keys.retired([JOHNS])).toEqual([])
})

test('interrupted after any step, erasing is done by whoever comes next', async () => {
  const { begin, say, read, deletion, erasing, deletions, keys } = await erasableLog()
  await begin(JOHN, 1)
  await say('secret', JOHN)
  await deletion.conversation(JOHNS, context)
  const events = await deletions(`conversation-${JOHNS}`)
  const killed = () => Promise.reject(new Error('killed'))
  await expect(erasing({ retired: killed }).erase(events)).rejects.toThrow('killed')
  await expect(erasing({ destroy: killed }).erase(events)).rejects.toThrow('killed')
  expect(await read('secret')).toMatchObject({ data: { content: { text: 'secret' } } })
  const destroy: SealingKeys['destroy'] = async (ids) => {
    await keys.destroy(ids)
    throw new Error('killed')
  }
  await expect(erasing({ destroy }).erase(events)).rejects.toThrow('killed')
  await erasing().erase(events)
  expect(await read('secret')).toMatchObject({ erased: true })
})

test('a deleted contact is erased in the log', async () => {
  const { transact, store, deletion, erasing, deletions } = await erasableLog()
  const id = contactId(INSTANCE, JOHN)
  const place = { number: 7, instanceId: INSTANCE, jid: JOHN }
  await transact(Contact, id, create(place, { name: 'John', notes: 'shy' }, AT), context)
  await deletion.contact(id, context)
  await erasing().erase(await deletions(`contact-${id}`))
  expect((await store.readStream(`contact-${id}`))[0]).toMatchObject({
    erased: true,
    data: { number: 7, jid: '[erased]', name: '[erased]', notes: '[erased]' },
  })
})

test('after erasures, every read model made anew equals the live one, row by row', async () => {
  const log = await erasableLog()
  const { pool, store, deletion, erasing, errors } = log
  const readModels = createReadModels({
    ...{ pool, store },
    onChanged: () => {},
    onError: (error) => void errors.push(error),
  })
  await readModels.prepare()
  log.run(readModels)
  await tellStory(store)
  const caughtUp = async () =>
    expect(await readModels.reached(await store.head(), 20_000, ...readModels.names)).toBe(true)
  await caughtUp()
  // That of Zoe has taken in another one; that of John has a picture, files and reactions.
  for (const chat of [ZOE, JOHN]) await deletion.conversation(conversationId(INSTANCE, chat), context)
  for (const jid of [ZOE, JOHN]) await deletion.contact(contactId(INSTANCE, jid), context)
  const media = removeMedia({
    ...{ ...createTransact(store), mediaStore: { delete: () => Promise.resolve() }, keys: log.keys },
    db: new Kysely<Database>({ dialect: new PostgresDialect({ pool }) }),
    ready: async (position) => void (await readModels.reached(position, 20_000, 'media')),
  })
  const runners = [eraseDeleted(erasing()), media].map((reaction) =>
    createReactionRunner({ pool, store, reaction, onError: (error) => void errors.push(error) }),
  )
  for (const runner of runners) log.run(runner)
  const head = await store.head()
  await eventually(() => {
    for (const { status } of runners) expect(status().position).toBeGreaterThanOrEqual(head)
  })
  await caughtUp()
  const live = await allRows(pool)
  await rebuild(all, { pool, store })
  expect(await allRows(pool)).toEqual(live)
  const erased = (await store.readStream(`conversation-${conversationId(INSTANCE, ERASED_CHAT)}`))[0]
  expect(erased).toMatchObject({ erased: true })
  expect(errors).toEqual([])
})
