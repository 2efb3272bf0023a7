import { randomUUID } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { createFanOut } from '../../src/webhooks/fan-out.ts'
import type { Lane, WebhookQueue } from '../../src/webhooks/queue.ts'
import { allDelivered, everything, incoming, startQueue, stopQueue } from './support.ts'

afterAll(stopQueue)

const instance = randomUUID()
const conversation = randomUUID()
const message = () => incoming(instance, conversation)

/** Fan-out of a process whose deliverer has room, and the lanes that it was handed. */
const withRoom = async () => {
  const queue = await startQueue()
  await queue.addEndpoint(instance)
  const own: WebhookQueue = queue.worker()
  const taken: Lane[] = []
  const fanOut = createFanOut({
    pool: queue.pool,
    lease: own.newLease,
    onTaken: (lanes) => taken.push(...lanes),
  })
  return { ...queue, own, taken, fanOut }
}
const eventsOf = (lanes: readonly Lane[]) =>
  lanes.map(({ deliveries }) => deliveries.map(({ event_id }) => event_id))

test('a fresh lane is handed over with all that is on it, and nobody else can take it', async () => {
  const { fanOut, taken, worker } = await withRoom()
  const events = [message(), message(), message()]
  await fanOut(events)
  expect(eventsOf(taken)).toEqual([events.map(({ id }) => id)])
  expect(await worker().claim(everything)).toEqual([])
})

test('what comes while the lane is in hand is due once it is given back, in order', async () => {
  const { fanOut, taken, own, worker, openCounts } = await withRoom()
  const [first, second] = [message(), message()]
  await fanOut([first])
  await fanOut([second])
  expect(eventsOf(taken)).toEqual([[first.id]])
  expect(await own.release(taken.map(allDelivered))).toBe(true)
  const next = await worker().claim(everything)
  expect(eventsOf(next)).toEqual([[second.id]])
  expect(await openCounts()).toEqual([{ open: 1, really: 1 }])
})

test('a lane on which something is open is left to the claim', async () => {
  const { fanOut, taken, pool, worker } = await withRoom()
  const [first, second] = [message(), message()]
  await createFanOut({ pool })([first])
  await fanOut([second])
  expect(taken).toEqual([])
  expect(eventsOf(await worker().claim(everything))).toEqual([[first.id, second.id]])
})

test('an event told again hands over nothing', async () => {
  const { fanOut, taken, own } = await withRoom()
  const event = message()
  await fanOut([event])
  await own.release(taken.map(allDelivered))
  await fanOut([event])
  expect(taken).toHaveLength(1)
})

test('a lane whose process died is taken over when its lease has run out', async () => {
  const { pool, addEndpoint, worker } = await startQueue()
  await addEndpoint(instance)
  const event = message()
  await createFanOut({ pool, lease: worker(0).newLease })([event])
  expect(eventsOf(await worker().claim(everything))).toEqual([[event.id]])
})
