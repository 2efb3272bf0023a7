import { afterEach, expect, test, vi } from 'vitest'
import { createDeliverer } from '../../src/webhooks/deliver.ts'
import { eventually } from '../support/eventually.ts'
import type { Lane, WebhookQueue } from '../../src/webhooks/queue.ts'

const HOUR_MS = 3_600_000
afterEach(() => void vi.useRealTimers())

const lane: Lane = {
  endpointId: 'gone',
  key: 'conversation',
  lease: 'lease',
  since: performance.now(),
  until: performance.now() + HOUR_MS,
  url: 'http://receiver.example/hook',
  secret: 'secret',
  deliveries: [
    {
      id: 1,
      event_id: 'event',
      instance_id: 'instance',
      event: 'message.received',
      body: '{}',
      attempts: 0,
      retries_from: 0,
      again: false,
      created_at: '2025-01-15T10:30:00.000Z',
    },
  ],
}

test('an endpoint that did not answer and is gone since does not slow others down for ever', async () => {
  const lanes = [lane]
  const queue: WebhookQueue = {
    newLease: () => ({ name: 'lease', seconds: 60, since: performance.now() }),
    claim: () => Promise.resolve(lanes.splice(0)),
    renew: (held) => Promise.resolve({ kept: new Set(held), until: performance.now() + HOUR_MS }),
    release: () => Promise.resolve(false),
    releaseAll: () => Promise.resolve(),
    purge: () => Promise.resolve(0),
  }
  const deliverer = createDeliverer({
    queue,
    post: () => Promise.resolve({ kind: 'failure', reason: 'timed out', durationMs: 1 }),
    settings: { retrySeconds: [], laneSeconds: 60, concurrency: 4, endpointConcurrency: 4 },
    onAttempt: () => {},
    onError: () => expect.unreachable(),
  })
  const stopping = new AbortController()
  const stopped = deliverer.run(stopping.signal)
  await eventually(() => expect(lanes).toEqual([]))
  const roomFor = async (endpointId: string) => {
    let room: number | undefined
    await deliverer.offering(async (offer) => {
      room = offer?.endpoints?.[endpointId]
      return []
    })
    return room
  }
  await eventually(async () => expect(await roomFor('gone')).toBe(2))
  vi.useFakeTimers({ toFake: ['performance'] })
  vi.advanceTimersByTime(HOUR_MS)
  deliverer.wake()
  await vi.waitFor(async () => expect(await roomFor('gone')).toBeUndefined(), 5000)
  stopping.abort()
  await stopped
})
