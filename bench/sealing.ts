import { randomUUID } from 'node:crypto'
import { postgresEventStore } from '../src/adapters/postgres/event-store.ts'
import { createLogPool } from '../src/adapters/postgres/pool.ts'
import { postgresSealingKeys } from '../src/adapters/postgres/sealing-keys.ts'
import { NO_STREAM, START, type EventStore } from '../src/ports/event-store.ts'
import { readLog } from '../src/read-log.ts'
import { sealedStore } from '../src/sealed-store.ts'
import { timedLoop } from './closed-loop.ts'
import { migrateDatabase, type BenchDatabase } from './database.ts'
import { likeMessage, receivedMessage } from './events.ts'
import type { Case, OpenSuite, Run } from './suite.ts'

const WARM_UP_SECONDS = 0.5
const CALLERS = 32
const CONVERSATIONS = 500
const EVENTS_READ = 20_000
const APPENDED_AT_ONCE = 200

const fail = (error: unknown): never => {
  throw error
}

/** A log on a database of its own, as it is stored and as it is used. */
const openLog = async (databases: BenchDatabase, name: string) => {
  const url = await databases.create(name)
  await migrateDatabase(url)
  const pool = createLogPool(url, { max: 6, onError: fail })
  const stored = postgresEventStore(pool, fail)
  const openSealed = () => {
    const keys = postgresSealingKeys({
      pool,
      listenPool: pool,
      master: undefined,
      alone: true,
      onError: fail,
    })
    return { store: sealedStore(stored, keys), close: keys.close }
  }
  const sealed = openSealed()
  const close = async () => {
    await sealed.close()
    await stored.close()
    await pool.end()
  }
  return { stored, sealed: sealed.store, openSealed, close }
}

const messages = Array.from({ length: CONVERSATIONS }, (_, n) => receivedMessage(n + 1))
let turn = 0
const next = () => likeMessage(messages[turn++ % CONVERSATIONS] ?? receivedMessage(1))

const appendTo = (store: EventStore) => async () => {
  const { stream, event } = next()
  await store.append(stream, NO_STREAM, [event])
}
const startIn = (store: EventStore) => async () => {
  const { stream, event } = next()
  const data = { ...event.data, conversationId: randomUUID() }
  await store.append(stream, NO_STREAM, [{ ...event, data }])
}

const fill = async (store: EventStore) => {
  const append = appendTo(store)
  for (let n = 0; n < EVENTS_READ; n += APPENDED_AT_ONCE)
    await Promise.all(Array.from({ length: APPENDED_AT_ONCE }, append))
}

const readWhole = async (store: EventStore): Promise<Run> => {
  const startedAt = performance.now()
  let operations = 0
  for await (const batch of readLog(store, START, await store.head())) operations += batch.length
  return { operations, seconds: (performance.now() - startedAt) / 1000, latenciesMs: [] }
}

/** What it costs that personal fields are sealed: the same log with and without. */
export const openSealing: OpenSuite = async (databases) => {
  const [log, plainRead, sealedRead] = [
    await openLog(databases, 'appended'),
    await openLog(databases, 'plain'),
    await openLog(databases, 'sealed'),
  ]
  await fill(plainRead.stored)
  await fill(sealedRead.sealed)

  const appending = (name: string, appends: (store: EventStore) => () => Promise<void>): Case[] => [
    {
      name: `${name}, sealed`,
      callers: CALLERS,
      ceiling: name,
      run: (seconds) => timedLoop(CALLERS, seconds, appends(log.sealed)),
    },
    { name, callers: CALLERS, run: (seconds) => timedLoop(CALLERS, seconds, appends(log.stored)) },
  ]
  const cases: Case[] = [
    ...appending('append', appendTo),
    ...appending('append, each to a new conversation', startIn),
    {
      name: 'read the log, sealed',
      callers: 1,
      ceiling: 'read the log',
      // Keys are fetched anew, as after a start.
      run: async () => {
        const { store, close } = sealedRead.openSealed()
        return readWhole(store).finally(close)
      },
    },
    { name: 'read the log', callers: 1, run: () => readWhole(plainRead.stored) },
  ]
  for (const { run } of cases) await run(WARM_UP_SECONDS)

  return {
    unit: 'events',
    about: `Messages of about 600 bytes appended by ${CALLERS} callers and read from end to end (${EVENTS_READ} of them), in
${CONVERSATIONS} conversations, with what is personal sealed. Ceiling: the same through the store as it is, nothing sealed. A new conversation
needs a new key, which has to be on disk before the event.`,
    cases,
    close: async () => {
      for (const one of [log, plainRead, sealedRead]) await one.close()
    },
  }
}
