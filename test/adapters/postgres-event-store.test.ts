import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createTail } from '../../src/adapters/tail.ts'
import { NO_STREAM, START, StoreUnavailable, WrongRevision } from '../../src/ports/event-store.ts'
import { readLog } from '../../src/read-log.ts'
import { appendAtEnd, appendSurely, eventStoreContract, happening } from '../contracts/event-store.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { range } from '../support/range.ts'
import { eventually } from '../support/eventually.ts'
import { expectInOrder, gate, startSubscriber } from '../support/subscriber.ts'

eventStoreContract('PostgreSQL', async () => (await testLog()).store)

/** Ends connections to the database of a log as an operator or a failover would; answers how many. */
const cutter = async ({ url }: TestLog) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  onTestFinished(() => client.end())
  return async (which: 'all' | 'listeners') => {
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()
         and ($1 = 'all' or query ilike 'listen %')`,
      [which],
    )
    return rowCount ?? 0
  }
}

describe('two programs on one database', () => {
  test('16 writers of both: subscribers of both are told everything once, in order', async () => {
    const log = await testLog()
    const stores = [log.store, log.openProcess().store]
    const followers = stores.map((store) => startSubscriber(store))
    const written = await Promise.all(
      range(16).map(async (writer) => {
        const store = stores[writer % 2] ?? log.store
        const events = range(40).map((n) => happening(n, { writer }))
        for (const [n, event] of events.entries())
          await appendAtEnd(store, `thing-${(writer + n) % 12}`, event)
        return events
      }),
    )
    const ids = written.flat().map(({ id }) => id)
    for (const follower of followers) {
      await follower.has(ids.length)
      await follower.stop()
      expectInOrder(follower.events)
      expect(follower.events.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
    }
    expect(log.errors).toEqual([])
  })

  test('a notification of somebody else, which may say anything, stops nobody', async () => {
    const log = await testLog()
    const follower = startSubscriber(log.store)
    await log.openProcess().store.append('thing-1', NO_STREAM, [happening(1)])
    await follower.has(1)
    const client = new pg.Client({ connectionString: log.url })
    await client.connect()
    onTestFinished(() => client.end())
    await client.query(`notify zapini_appended, 'what is this?'`)
    await log.openProcess().store.append('thing-2', NO_STREAM, [happening(2)])
    await follower.has(2)
    await follower.stop()
  })

  test('a subscriber that comes late sees what the others saw', async () => {
    const log = await testLog()
    const other = log.openProcess().store
    const early = startSubscriber(log.store)
    const writing = Promise.all(range(200).map((n) => other.append(`thing-${n}`, NO_STREAM, [happening(n)])))
    await early.has(1)
    const late = startSubscriber(log.store)
    await writing
    await Promise.all([early.has(200), late.has(200)])
    await Promise.all([early.stop(), late.stop()])
    expect(late.events).toEqual(early.events)
  })
})

test('an append that the database refuses does not fail its neighbours', async () => {
  const { store } = await testLog()
  // The first leaves alone; those behind it leave together.
  const first = store.append('first', NO_STREAM, [happening(0)])
  const [before, refused, after, stale] = await Promise.allSettled([
    store.append('thing-1', NO_STREAM, [happening(1)]),
    store.append('thing-2', NO_STREAM, [{ ...happening(2), id: 'not a uuid' }]),
    store.append('thing-3', NO_STREAM, [happening(3), happening(4)]),
    store.append('thing-4', 7, [happening(5)]),
  ])
  await first
  expect(before.status).toBe('fulfilled')
  expect(after.status).toBe('fulfilled')
  expect(stale).toMatchObject({ reason: expect.any(WrongRevision) })
  expect(refused).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('uuid') } })
  expect(await store.readStream('thing-2')).toEqual([])
  expect(await store.readStream('thing-3')).toHaveLength(2)
  const follower = startSubscriber(store)
  await follower.has(4)
  await follower.stop()
  expectInOrder(follower.events)
})

describe('a connection that is cut', () => {
  test('under the listener: what other programs append still comes', async () => {
    const log = await testLog()
    const cut = await cutter(log)
    const follower = startSubscriber(log.openProcess().store)
    await log.store.append('thing-0', NO_STREAM, [happening(0)])
    await follower.has(1)
    for (const n of [1, 2, 3]) {
      await eventually(async () => expect(await cut('listeners')).toBeGreaterThan(0))
      await log.store.append(`thing-${n}`, NO_STREAM, [happening(n)])
      await follower.has(n + 1)
    }
    await follower.stop()
    expectInOrder(follower.events)
  })

  test('under everything: appends fail as unavailable or succeed, subscriptions go on, nothing is lost', async () => {
    const log = await testLog()
    const other = log.openProcess()
    const cut = await cutter(log)
    const followers = [startSubscriber(log.store), startSubscriber(other.store)]
    await log.store.append('first', NO_STREAM, [happening(0)])
    await Promise.all(followers.map((follower) => follower.has(1)))

    let appended = 0
    const failures = await Promise.all(
      range(8).map(async (writer) => {
        const failed: unknown[] = []
        for (const n of range(40)) {
          const store = writer % 2 === 0 ? log.store : other.store
          failed.push(...(await appendSurely(store, `thing-${writer}`, happening(n))))
          if (++appended % 50 === 0) await cut('all')
        }
        return failed
      }),
    )
    expect(failures.flat().length).toBeGreaterThan(0)
    for (const failure of failures.flat()) expect(failure).toBeInstanceOf(StoreUnavailable)
    for (const follower of followers) {
      await follower.has(1 + 8 * 40)
      await follower.stop()
      expectInOrder(follower.events)
      expect(follower.events).toHaveLength(1 + 8 * 40)
    }
  })
})

test('what is appended while the first subscription starts is told once, in order', async () => {
  const { store } = await testLog()
  const { opened, open } = gate()
  const tail = createTail({
    watch: () => Promise.resolve(),
    readAll: async (after) =>
      (await Promise.all(range(4).map((n) => store.readStream(`thing-${n}`))))
        .flat()
        .filter(({ position }) => position > after),
    head: async () => {
      const head = await store.head()
      await opened
      return head
    },
    onError: () => {},
  })
  onTestFinished(tail.close)
  const append = async (n: number) => {
    const head = await store.head()
    await store.append(`thing-${n}`, NO_STREAM, [happening(n)])
    tail.offer(head, await store.readStream(`thing-${n}`))
  }
  const first = startSubscriber({ subscribeToAll: tail.subscribe }, START)
  for (const n of [0, 1]) await append(n)
  open()
  await first.has(2)
  for (const n of [2, 3]) await append(n)
  await first.has(4)
  const second = startSubscriber({ subscribeToAll: tail.subscribe }, START)
  await second.has(4)
  await Promise.all([first.stop(), second.stop()])
  for (const { events } of [first, second]) {
    expect(events).toHaveLength(4)
    expectInOrder(events)
  }
})

test('large events are read a few at a time, all of them in order', async () => {
  const { store } = await testLog()
  const text = randomBytes(600_000).toString('base64')
  for (const n of range(12)) await appendAtEnd(store, `large-${n}`, happening(n, { text }))
  const batches: number[] = []
  for await (const batch of readLog(store, START, await store.head())) batches.push(batch.length)
  expect(batches.reduce((sum, length) => sum + length)).toBe(12)
  expect(Math.max(...batches)).toBeLessThan(8)
})
