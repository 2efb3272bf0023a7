import { randomUUID } from 'node:crypto'
import type { Position } from '../ports/event-store.ts'
import { createDeliverer } from '../webhooks/deliver.ts'
import { createDeliveries } from '../webhooks/deliveries.ts'
import { createFanOut } from '../webhooks/fan-out.ts'
import { webhookQueue } from '../webhooks/queue.ts'
import { createWakeOthers } from '../webhooks/wake-others.ts'
import type { Parts, Reporter } from './parts.ts'
import type { Waiting } from './waiting.ts'

/** So that a stop is not held up for longer by what waits for a table that is being made. */
const ENDPOINTS_WAIT_MS = 2000

/** From the bus to the customers: fan-out, queue, delivery. */
export const composeWebhooks = (parts: Parts, waiting: Pick<Waiting, 'mustKnow'>, reporter: Reporter) => {
  const { settings, pool, workPool, store, bus, log, metrics } = parts
  const queue = webhookQueue(workPool, randomUUID())
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
  const { offering, wake } = deliverer
  const others = createWakeOthers({ pool: workPool, onWoken: wake, onError: reporter('webhook delivery') })
  const onAdded = () => {
    wake()
    if (!parts.alone) others.tell()
  }
  const fanOut = createFanOut({ pool: workPool, offering, onAdded })
  let known: Promise<Position> | undefined
  bus.subscribe('webhooks', async (events) => {
    // Events may have waited in a topic while the table of endpoints is made anew: without it nobody would get them.
    known ??= store.head()
    known.catch(() => (known = undefined))
    await waiting.mustKnow(await known, 'webhookEndpoints', ENDPOINTS_WAIT_MS)
    await fanOut(events)
  })
  // Commands add deliveries, too, also beside a node that is alone.
  const run = (signal: AbortSignal) => Promise.all([deliverer.run(signal), others.listen(signal)])
  return { queue, deliverer: { run }, deliveries: createDeliveries(pool, onAdded) }
}
