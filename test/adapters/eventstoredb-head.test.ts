import type { ResolvedEvent } from '@eventstore/db-client'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createHead } from '../../src/adapters/eventstoredb/head.ts'
import { ours } from '../../src/adapters/eventstoredb/events.ts'
import { newId } from '../../src/domain/ids.ts'
import { START, StoreUnavailable } from '../../src/ports/event-store.ts'
import { meta } from '../support/facts.ts'
import { gate } from '../support/subscriber.ts'

/** An event as the client reads it; the log has one at every tenth commit position. */
const eventAt = (commit: bigint, streamId: string): ResolvedEvent => ({
  event: {
    id: newId(),
    streamId,
    type: 'ThingHappened',
    revision: 0n,
    isJson: true,
    data: {},
    metadata: meta,
    created: new Date(0),
    position: { commit, prepare: commit },
  },
  commitPosition: commit,
})

const logOf = (...streams: string[]) => {
  const events = streams.map((stream, n) => eventAt(BigInt(n * 10), stream))
  const reads: (bigint | undefined)[] = []
  const readBackwards = async (before: bigint | undefined, count: number) => {
    reads.push(before)
    const older = events.filter(({ commitPosition = 0n }) => before === undefined || commitPosition < before)
    return older.toReversed().slice(0, count)
  }
  const add = (stream: string) => events.push(eventAt(BigInt(events.length * 10), stream))
  /** As where a server comes back from a backup. */
  const lose = (count: number) => void events.splice(-count)
  return { reads, add, lose, ...createHead({ readBackwards, ours: (event) => ours(event, 'own-') }) }
}
const foreign = (count: number) => Array.from({ length: count }, (_, n) => `foreign-${n}`)

test('the newest event of ours is found behind any number of others', async () => {
  for (const count of [0, 1, 31, 32, 33, 600]) {
    const { head } = logOf('foreign-a', 'own-1', ...foreign(count))
    expect(await head()).toBe(11n)
  }
  expect(await logOf(...foreign(600)).head()).toBe(START)
  expect(await logOf().head()).toBe(START)
})

test('what was looked at once is not looked at again', async () => {
  const log = logOf(...foreign(2000))
  expect(await log.head()).toBe(START)
  const before = log.reads.length
  log.add('foreign-again')
  expect(await log.head()).toBe(START)
  expect(log.reads.length - before).toBeLessThanOrEqual(2)
})

test('what the subscription has told spares looking further back', async () => {
  const log = logOf('own-1', ...foreign(2000))
  log.learn(10_001n, 10_001n)
  expect(await log.head()).toBe(10_001n)
  expect(log.reads.length).toBeLessThan(6)
})

test('one look serves all who asked before it began, and nobody who asked after', async () => {
  const gates = [gate(), gate(), gate()]
  let looks = 0
  const { head } = createHead({
    readBackwards: async () => {
      const look = looks++
      await gates[look]?.opened
      return [eventAt(BigInt(look), 'own-1')]
    },
    ours: (event) => ours(event, 'own-'),
  })
  const first = head()
  const during = [head(), head(), head()]
  gates[0]?.open()
  expect(await first).toBe(1n)
  const after = head()
  gates[1]?.open()
  gates[2]?.open()
  expect(await Promise.all(during)).toEqual([2n, 2n, 2n])
  expect(await after).toBe(3n)
})

test('one who asks all the time holds up nobody', async () => {
  let looks = 0
  const { head } = createHead({
    readBackwards: async () => {
      await setImmediate()
      return [eventAt(BigInt(looks++), 'own-1')]
    },
    ours: (event) => ours(event, 'own-'),
  })
  const asking = async () => {
    while (looks < 50) await head()
  }
  const busy = asking()
  await Promise.all([head(), head()])
  expect(looks).toBeLessThan(5)
  await busy
})

test('a log that has become shorter has no end that can be relied on, until it is as long again', async () => {
  const log = logOf('own-1', 'own-2', 'own-3')
  expect(await log.head()).toBe(21n)
  log.lose(1)
  await expect(log.head()).rejects.toThrow(/ends at 11, before 21.*older backup/)
  log.lose(2)
  await expect(log.head()).rejects.toThrow(StoreUnavailable)
  for (const stream of ['own-1', 'own-2', 'own-4']) log.add(stream)
  expect(await log.head()).toBe(21n)
})
