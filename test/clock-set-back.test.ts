import { afterEach, expect, it, vi } from 'vitest'
import { postgresNumbers } from '../src/adapters/postgres/numbers.ts'
import { createRateLimits } from '../src/http/rate-limit.ts'
import { createHold } from '../src/webhooks/hold.ts'
import { webhookQueue, type Lane } from '../src/webhooks/queue.ts'
import { testPool } from './support/database.ts'
import { eventually } from './support/eventually.ts'

/** The clock on the wall goes back, as when a machine that was ahead hears the right time; nothing else does. */
const setBack = (ms: number) => {
  vi.useFakeTimers({ toFake: ['Date'] })
  vi.setSystemTime(Date.now() - ms)
}
const HOUR_MS = 3_600_000
afterEach(() => void vi.useRealTimers())

it('a lane of webhooks whose lease ran out is no longer held', async () => {
  const queue = webhookQueue(await testPool(), 'owner', 0.05)
  const hold = createHold({ renew: () => expect.unreachable() }, () => {})
  const { name: lease, since, seconds } = queue.newLease()
  const lane: Lane = {
    endpointId: 'endpoint',
    key: 'key',
    lease,
    since,
    until: since + seconds * 1000,
    url: 'http://receiver.example',
    secret: 'secret',
    deliveries: [],
  }
  hold.add(lane)
  setBack(HOUR_MS)
  await eventually(() => expect(hold.has(lane)).toBe(false))
})

it('numbers are given', async () => {
  const numbers = postgresNumbers(await testPool())
  const taken = await Promise.all(Array.from({ length: 50 }, () => numbers('message')))
  setBack(1)
  for (let n = 0; n < 50; n++) taken.push(await numbers('message'))
  expect(taken).toEqual(taken.toSorted((a, b) => a - b))
})

it('who is beyond a limit waits for the end of the window, and no longer', async () => {
  const limits = createRateLimits({
    settings: { rateLimitRequests: 1, rateLimitWindowSeconds: 1 },
    counters: () => ({
      add: () => Promise.resolve({ count: count++, msToReset: 20 }),
      takeBack: () => Promise.resolve(),
    }),
    onError: () => expect.unreachable(),
  })
  let count = 1
  const isExceeded = async () => (await limits.request(undefined, '203.0.113.7'))?.exceeded
  expect(await isExceeded()).toBe(false)
  expect(await isExceeded()).toBe(true)
  setBack(HOUR_MS)
  count = 1
  await eventually(async () => expect(await isExceeded()).toBe(false))
})
