import { randomUUID } from 'node:crypto'
import { createDeliverer } from '../webhooks/deliver.ts'
import { createDeliveries } from '../webhooks/deliveries.ts'
import { createFanOut } from '../webhooks/fan-out.ts'
import { webhookQueue } from '../webhooks/queue.ts'
import type { Parts, Reporter } from './parts.ts'

/** Added to the two posts that a lane may be busy with, before its lease runs out. */
const LEASE_MARGIN_SECONDS = 5

/** From the bus to the customers: fan-out, queue, delivery. */
export const composeWebhooks = (parts: Parts, reporter: Reporter) => {
  const { settings, pool, workPool, bus, log, metrics } = parts
  const leaseSeconds = 2 * settings.webhookTimeoutSeconds + LEASE_MARGIN_SECONDS
  const queue = webhookQueue(workPool, randomUUID(), leaseSeconds)
  const deliverer = createDeliverer({
    queue,
    post: parts.post,
    settings: {
      retrySeconds: settings.webhookRetrySeconds,
      laneSeconds: settings.webhookTimeoutSeconds,
      concurrency: settings.webhookConcurrency,
      endpointConcurrency: settings.webhookEndpointConcurrency,
    },
    onAttempt: (delivery, { number, status, duration_ms, error }, outcome) => {
      metrics.webhookAttempt(outcome, duration_ms / 1000)
      const { id, event } = delivery
      const line = { delivery: id, event, attempt: number, status, duration_ms, error, outcome }
      log[outcome === 'delivered' ? 'debug' : 'warn'](line, 'webhook attempt')
    },
    onError: reporter('webhook delivery'),
  })
  const { lease, take: onTaken, wake: onAdded } = deliverer
  bus.subscribe('webhooks', createFanOut({ pool: workPool, lease, onTaken, onAdded }))
  return { queue, deliverer, deliveries: createDeliveries(pool, deliverer.wake) }
}
