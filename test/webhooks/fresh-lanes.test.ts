import { randomUUID } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { createDeliverer } from '../../src/webhooks/deliver.ts'
import { createFanOut } from '../../src/webhooks/fan-out.ts'
import type { Lane, WebhookQueue } from '../../src/webhooks/queue.ts'
import type { Room } from '../../src/webhooks/room.ts'
import { eventually } from '../support/eventually.ts'
import { range } from '../support/range.ts'
import { allDelivered, everything, incoming, startQueue, stopQueue } from './support.ts'

afterAll(stopQueue)

const instance = randomUUID()
const conversation = randomUUID()
const message = () => incoming(instance, conversation)

/** Fan-out of a process whose deliverer has room, and the lanes that it was handed. */
const withRoom = async (room: Room = everything) => {
  const queue = await startQueue()
  await queue.addEndpoint(instance)
  const own: WebhookQueue = queue.worker()
  const taken: Lane[] = []
  const fanOut = createFanOut({
    pool: queue.pool,
    offering: async (open) => void taken.push(...(await open({ ...room, lease: own.newLease() }))),
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
  const lease = worker(0).newLease()
  await createFanOut({ pool, offering: async (open) => void (await open({ ...everything, lease })) })([event])
  expect(eventsOf(await worker().claim(everything))).toEqual([[event.id]])
})

test('no more lanes are handed over than there is room for, the first ones of each endpoint', async () => {
  const room = { lanes: 4, perEndpoint: 3, endpoints: {} as Record<string, number> }
  const { fanOut, taken, addEndpoint, worker, openCounts } = await withRoom(room)
  const busy = randomUUID()
  room.endpoints[await addEndpoint(busy)] = 1
  const full = randomUUID()
  room.endpoints[await addEndpoint(full)] = 0
  const events = [busy, full, instance].flatMap((of) => range(5).map(() => incoming(of, randomUUID())))
  await fanOut(events)
  const numbers = taken.flatMap(({ deliveries }) =>
    deliveries.map(({ event_id }) => events.findIndex(({ id }) => id === event_id)),
  )
  expect(numbers.toSorted((one, other) => one - other)).toEqual([0, 10, 11, 12])
  expect(await worker().claim(everything)).toHaveLength(11)
  expect(await openCounts()).toEqual(range(15).map(() => ({ open: 1, really: 1 })))
})

test('a burst to an endpoint that hangs holds up no other', async () => {
  const { pool, addEndpoint, worker } = await startQueue()
  const [hangs, answers] = [randomUUID(), randomUUID()]
  await addEndpoint(hangs, { url: 'http://hangs.example/' })
  await addEndpoint(answers, { url: 'http://answers.example/' })
  const posted: string[] = []
  const hanging = new AbortController()
  const deliverer = createDeliverer({
    queue: worker(),
    post: async (url) => {
      posted.push(url)
      if (url.includes('hangs')) await new Promise((end) => hanging.signal.addEventListener('abort', end))
      return { kind: 'answer', status: 200, durationMs: 1 }
    },
    settings: { retrySeconds: [], laneSeconds: 60, concurrency: 8, endpointConcurrency: 4 },
    onAttempt: () => {},
    onError: () => expect.unreachable(),
  })
  const stopping = new AbortController()
  const stopped = deliverer.run(stopping.signal)
  const fanOut = createFanOut({ pool, offering: deliverer.offering, onAdded: deliverer.wake })
  const burstTo = (of: string) => fanOut(range(20).map(() => incoming(of, randomUUID())))
  const postsTo = (name: string) => posted.filter((url) => url.includes(name))
  await burstTo(hangs)
  await eventually(() => expect(postsTo('hangs')).toHaveLength(4))
  await burstTo(answers)
  await eventually(() => expect(postsTo('answers')).toHaveLength(20))
  expect(postsTo('hangs')).toHaveLength(4)
  stopping.abort()
  hanging.abort()
  await stopped
})
