import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import type { AttemptRecord, Lane, Release } from '../../src/webhooks/queue.ts'
import { attemptAt, incoming, startQueue, stopQueue } from './support.ts'

afterAll(stopQueue)

const WORKERS = 3
const ENDPOINTS = 2
const RUNS = 3
const DONE_WITHIN_MS = 20_000

type World = {
  readonly events: number
  readonly conversations: number
  /** How many events are told at once, and how many of those told before are told again. */
  readonly told: number
  readonly toldAgain: number
  readonly lanesAtOnce: number
  /** Of attempts, how many in a hundred fail. */
  readonly failures: number
  /** Of claims, how many in a hundred are never given back, as if the process had been killed. */
  readonly crashes: number
  readonly leaseSeconds: number
}
const world = (of: { crashes: fc.Arbitrary<number>; leaseSeconds: fc.Arbitrary<number> }) =>
  fc.record<World>({
    events: fc.integer({ min: 100, max: 250 }),
    conversations: fc.integer({ min: 1, max: 12 }),
    told: fc.integer({ min: 1, max: 20 }),
    toldAgain: fc.integer({ min: 0, max: 10 }),
    lanesAtOnce: fc.integer({ min: 1, max: 10 }),
    failures: fc.integer({ min: 0, max: 40 }),
    ...of,
  })

const chance = (inHundred: number) => Math.random() * 100 < inHundred
/** What a network makes of any order: time passes, for each another. */
const aWhile = () => sleep(Math.random() * 3)

/** Tells, claims, delivers, fails, dies and gives back at random, in several owners' names at once. */
const live = async ({ events: count, conversations, ...chances }: World) => {
  const { addEndpoint, fanOut, worker, openCounts } = await startQueue()
  const instance = randomUUID()
  await Promise.all(Array.from({ length: ENDPOINTS }, () => addEndpoint(instance)))
  const keys = Array.from({ length: conversations }, () => randomUUID())
  const events = Array.from({ length: count }, (_, n) => incoming(instance, keys[n % conversations] ?? ''))
  /** Everything that receivers took, in the order in which they did. */
  const taken: { lane: string; event: string }[] = []
  const ending = new AbortController()

  const tell = async () => {
    for (let next = 0; next < count; next += chances.told) {
      const from = Math.max(0, next - chances.toldAgain)
      await fanOut(events.slice(from, next + chances.told))
      await aWhile()
    }
  }

  const deliver = async (lane: Lane): Promise<Release> => {
    const attempts: AttemptRecord[] = []
    for (const delivery of lane.deliveries) {
      await aWhile()
      if (chance(chances.failures)) {
        const nextAt = new Date(Date.now() + Math.random() * 5)
        return { lane, attempts: [...attempts, attemptAt(delivery, { nextAt })] }
      }
      taken.push({ lane: `${lane.endpointId} ${lane.key}`, event: delivery.event_id })
      attempts.push(attemptAt(delivery, { delivered: true }))
    }
    return { lane, attempts }
  }

  const work = async () => {
    const queue = worker(chances.leaseSeconds)
    while (!ending.signal.aborted) {
      const lanes = await queue.claim({ lanes: chances.lanesAtOnce, perEndpoint: chances.lanesAtOnce })
      const releases = await Promise.all(lanes.map(deliver))
      if (!chance(chances.crashes)) await queue.release(releases)
      await aWhile()
    }
  }

  const allDone = async () => {
    const deadline = Date.now() + DONE_WITHIN_MS
    await Promise.all([tell(), tell()])
    while ((await openCounts()).some(({ really }) => really > 0)) {
      if (Date.now() > deadline) throw new Error('Deliveries are stuck')
      await aWhile()
    }
    ending.abort()
  }

  const workers = Array.from({ length: WORKERS }, work)
  await Promise.all([allDone().finally(() => ending.abort()), ...workers])
  return { events, keys, taken, counts: await openCounts() }
}

type Outcome = Awaited<ReturnType<typeof live>>

const expectAllInOrder = ({ events, keys, taken, counts }: Outcome) => {
  const lanes = new Map<string, Set<string>>()
  for (const { lane, event } of taken) lanes.set(lane, (lanes.get(lane) ?? new Set()).add(event))
  expect(lanes.size).toBe(ENDPOINTS * keys.length)
  for (const [lane, ids] of lanes) {
    const told = events.filter(({ key }) => lane.endsWith(key)).map(({ id }) => id)
    expect([...ids], `order of first delivery on lane ${lane}`).toEqual(told)
  }
  expect(counts.filter(({ open }) => open !== 0)).toEqual([])
}

const holds = (worlds: fc.Arbitrary<World>, check: (outcome: Outcome) => void) =>
  fc.assert(
    fc.asyncProperty(worlds, async (one) => check(await live(one))),
    { numRuns: RUNS, endOnFailure: true },
  )

it('delivers everything once and in order, however owners and tellers come between each other', async () => {
  const worlds = world({ crashes: fc.constant(0), leaseSeconds: fc.constant(60) })
  await holds(worlds, (outcome) => {
    expectAllInOrder(outcome)
    expect(outcome.taken).toHaveLength(outcome.events.length * ENDPOINTS)
  })
})

it('delivers everything, at first in order, when owners die or are so slow that they lose their lanes', async () => {
  const worlds = world({
    crashes: fc.integer({ min: 1, max: 20 }),
    leaseSeconds: fc.double({ min: 0.005, max: 0.05, noNaN: true }),
  })
  await holds(worlds, expectAllInOrder)
})
