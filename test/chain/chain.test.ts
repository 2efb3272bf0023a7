import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { createChainKeeper } from '../../src/chain/keep.ts'
import { lastLink, readLinks, type Link } from '../../src/chain/links.ts'
import { verifyLog } from '../../src/cli/verify/log.ts'
import { NO_STREAM, START, type EventStore, type Recorded } from '../../src/ports/event-store.ts'
import { eventsOf } from '../../src/read-log.ts'
import { happening } from '../contracts/event-store.ts'
import { copy, placeOf, told } from '../support/copying.ts'
import { newPrefix, testEventStore, testEventStoreDb } from '../support/eventstoredb.ts'
import { sealedLog } from '../support/sealed.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { range } from '../support/range.ts'
import { tellStory } from '../support/story.ts'
import { eventually } from '../support/eventually.ts'

/** What anybody can work out from the log: sha256 over the digest before and the sha256 of the event's line. */
const digestOf = async (store: EventStore) => {
  let digest = Buffer.alloc(32)
  let events = 0
  for await (const { stream, revision, id, type, data, meta } of eventsOf(store, START, await store.head())) {
    const line = JSON.stringify([stream, revision, id, type, data, meta])
    const hash = createHash('sha256').update(line).digest()
    digest = createHash('sha256').update(digest).update(hash).digest()
    events++
  }
  return { events, digest: digest.toString('hex') }
}
const shown = ({ events, digest }: Link) => ({ events, digest: digest.toString('hex') })

/** Keeps the chain until it is stopped, or the test is over. */
const keepChain = ({ pool, stored, run }: Pick<TestLog, 'pool' | 'run'> & { stored: EventStore }) => {
  const stopping = new AbortController()
  const told: { events: number; digest: string }[] = []
  const errors: unknown[] = []
  const keeper = createChainKeeper({
    pool,
    stored,
    onDigest: (link) => told.push(shown(link)),
    onError: (error) => errors.push(error),
  })
  let stopped: Promise<void> | undefined
  run({ run: (signal) => (stopped = keeper.run(AbortSignal.any([signal, stopping.signal]))) })
  const stop = async () => {
    stopping.abort()
    await stopped
  }
  return { status: keeper.status, told, errors, stop }
}
const keepChainOf = (log: TestLog) => keepChain({ ...log, stored: log.store })

/** Throws unless the links follow each other from the first event to the last. */
const expectWhole = async ({ pool, store }: Pick<TestLog, 'pool' | 'store'>) => {
  const links = await readLinks(pool, 0, 10_000)
  links.forEach((link, n) => {
    expect(link.before).toBe(links[n - 1]?.events ?? 0)
    expect(link.first).toBeGreaterThan(links[n - 1]?.last ?? START)
    expect(link.hashes).toHaveLength(8 * (link.events - link.before))
  })
  const last = links.at(-1)
  expect(last && shown(last)).toEqual(await digestOf(store))
  return links
}

const append = ({ store }: TestLog, n: number) => store.append(`thing-${n}`, NO_STREAM, [happening(n)])

test('the digest is what anybody can work out from the log, and a stop leaves no event without one', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const keeper = keepChainOf(log)
  await append(log, 1)
  await eventually(() => expect(Number(keeper.status().position)).toBeGreaterThan(1))
  const position = await append(log, 2)
  // Whatever it has heard of by now, it writes.
  await eventually(async () => {
    await keeper.stop()
    expect((await lastLink(log.pool)).events).toBeGreaterThan(0)
  })
  const again = keepChainOf(log)
  await eventually(() => expect(again.status()).toEqual({ name: 'chain', position }))
  await again.stop()
  await expectWhole(log)
  expect(again.told).toEqual([await digestOf(log.store)])
  expect([...keeper.errors, ...again.errors]).toEqual([])
})

test('events gather: appends one by one are few links, and no link is larger than a thousand', async () => {
  const log = await testLog()
  await Promise.all(range(2500).map((n) => append(log, n)))
  const keeper = keepChainOf(log)
  await eventually(async () => expect(keeper.status().position).toBe(await log.store.head()))
  for (const n of range(300)) await append(log, 3000 + n)
  await eventually(async () => expect(keeper.status().position).toBe(await log.store.head()))
  const links = await expectWhole(log)
  expect(Math.max(...links.map(({ before, events }) => events - before))).toBe(1000)
  expect(links.length, 'of 2,800 appends').toBeLessThan(30)
})

test('two that keep it at once make neither a gap nor a fork', async () => {
  const log = await testLog()
  const other = log.openProcess()
  const keepers = [keepChainOf(log), keepChain({ ...log, pool: other.pool, stored: other.store })]
  for (const n of range(5)) {
    await Promise.all(range(50).map((m) => append(log, n * 50 + m)))
    const head = await log.store.head()
    await eventually(async () => expect((await lastLink(log.pool)).last).toBe(head))
  }
  for (const { stop } of keepers) await stop()
  await expectWhole(log)
})

test('a log that ends before its chain is shown, and the chain stays as it is', async () => {
  const log = await testLog()
  for (const n of range(3)) await append(log, n)
  const keeper = keepChainOf(log)
  await eventually(async () => expect((await lastLink(log.pool)).events).toBe(3))
  await keeper.stop()
  await log.pool.query('delete from event where position > 1')
  const again = keepChainOf({ ...log, ...log.openProcess() })
  await eventually(() => expect(again.status().error).toMatch(/events are missing. "zapini verify"/))
  expect((await lastLink(log.pool)).events).toBe(3)
})

test('a chain of which rows were taken away is shown, and not made anew over what is in the log by now', async () => {
  const log = await testLog()
  for (const n of range(3)) await append(log, n)
  const keeper = keepChainOf(log)
  await eventually(async () => expect((await lastLink(log.pool)).events).toBe(3))
  await log.pool.query('delete from log_digest')
  await append(log, 4)
  await eventually(() => expect(keeper.status().error).toMatch(/rows were taken away from it/))
  expect((await lastLink(log.pool)).events).toBe(0)
})

test('a copy in EventStoreDB has the same digest, in a chain of its own, by which it is verified', async () => {
  const [log, server] = [await sealedLog(), await testEventStoreDb()]
  await tellStory(log.store)
  const chainOf = async (stored: EventStore) => {
    const keeper = keepChain({ ...log, stored })
    await eventually(async () => expect(keeper.status().position).toBe(await stored.head()))
    await keeper.stop()
    return lastLink(log.pool)
  }
  const here = await chainOf(log.stored)
  expect(shown(here)).toEqual(await digestOf(log.stored))
  const copied = testEventStore(server.url, newPrefix())
  await copy(placeOf({ ...log, store: log.stored }), { kind: 'eventstoredb', store: copied, pool: log.pool })
  expect(await lastLink(log.pool), 'its positions are of the other log').toMatchObject({ events: 0 })
  const there = await chainOf(copied)
  expect(shown(there)).toEqual(shown(here))
  expect(there.last).not.toBe(here.last)

  const look = (stored: EventStore) =>
    verifyLog({ pool: log.pool, stored, keys: log.keys, max: 100, onProgress: () => {} })
  expect((await look(copied)).differences.list).toEqual([])
  const [tenth, twentieth] = [(await told(copied))[9], (await told(copied))[19]]
  const tampered = (event: Recorded): Recorded[] => {
    if (event.id === twentieth?.id) return []
    return [event.id === tenth?.id ? { ...event, data: { ...event.data, number: 4711 } } : event]
  }
  const { differences } = await look({
    ...copied,
    async *subscribeToAll(after, signal) {
      for await (const batch of copied.subscribeToAll(after, signal)) yield batch.flatMap(tampered)
    },
  })
  expect(differences.list.filter(({ kind }) => kind !== 'revision')).toEqual([
    expect.objectContaining({ kind: 'changed', stream: tenth?.stream, revision: tenth?.revision }),
    {
      kind: 'missing',
      what: expect.stringMatching(/^an event is missing after position \d+ \(.*and before/),
    },
  ])
})
