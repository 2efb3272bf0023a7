import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { BusStatus } from './ports/bus.ts'

const requestSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15]
const deliverySeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const projectionStates = ['starting', 'running', 'stopped'] as const

/** The program's metrics, in a registry of their own, each behind a function that fixes its labels. */
export const createMetrics = () => {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const httpRequests = new Histogram({
    name: 'zapini_http_request_duration_seconds',
    help: 'Time to answer an HTTP request.',
    labelNames: ['method', 'route', 'status'],
    buckets: requestSeconds,
    registers,
  })
  const events = new Counter({
    name: 'zapini_events_appended_total',
    help: 'Events appended to the log.',
    labelNames: ['category'],
    registers,
  })
  const positions = new Gauge({
    name: 'zapini_projection_position',
    help: 'Position in the log up to which a projection knows everything; `log` is the end of the log itself.',
    labelNames: ['projection'],
    registers,
  })
  const states = new Gauge({
    name: 'zapini_projection_state',
    help: 'One for the state that a projection is in, zero for the others.',
    labelNames: ['projection', 'state'],
    registers,
  })
  const held = new Gauge({
    name: 'zapini_leases_held',
    help: 'Leases that this node holds: one for each kind of work, and `instance` for the WhatsApp sessions.',
    labelNames: ['lease'],
    registers,
  })
  const attempts = new Counter({
    name: 'zapini_webhook_attempts_total',
    help: 'Webhook delivery attempts by outcome.',
    labelNames: ['outcome'],
    registers,
  })
  const deliveries = new Histogram({
    name: 'zapini_webhook_attempt_duration_seconds',
    help: 'Time until a webhook endpoint answered or the attempt was given up.',
    labelNames: ['outcome'],
    buckets: deliverySeconds,
    registers,
  })
  const pending = new Gauge({
    name: 'zapini_webhook_deliveries_pending',
    help: 'Webhook deliveries that wait for an attempt.',
    registers,
  })
  const sends = new Counter({
    name: 'zapini_messages_sent_total',
    help: 'Outgoing messages by outcome.',
    labelNames: ['outcome'],
    registers,
  })
  const published = new Counter({
    name: 'zapini_bus_published_total',
    help: 'Public events that this node has published.',
    registers,
  })
  const deadLetters = new Counter({
    name: 'zapini_bus_dead_letters_total',
    help: 'Records that this node could not read, and has put aside.',
    registers,
  })
  const gaps = new Counter({
    name: 'zapini_bus_gaps_total',
    help: 'Times that records were deleted in Kafka before this node could read them.',
    registers,
  })
  const lag = new Gauge({
    name: 'zapini_bus_lag',
    help: 'Published events that a group of subscribers has still to handle, on all nodes together.',
    labelNames: ['group'],
    registers,
  })

  const connections = new Gauge({
    name: 'zapini_whatsapp_connections',
    help: 'Connections to WhatsApp that are open at this node.',
    registers,
  })
  const reconnects = new Counter({
    name: 'zapini_whatsapp_reconnects_total',
    help: 'Times that a connection to WhatsApp ended and was to be made again, by reason.',
    labelNames: ['reason'],
    registers,
  })

  return {
    /** `route` is the pattern, never the path; `status` counts by class (`2xx`). */
    httpRequest(method: string, route: string, status: number, seconds: number) {
      httpRequests.observe({ method, route, status: `${Math.floor(status / 100)}xx` }, seconds)
    },
    /** `category` is the part of the stream name before the first dash. */
    eventsAppended(category: string, count: number) {
      events.inc({ category }, count)
    },
    /** `log` for the end of the log. */
    projectionPosition(projection: string, position: bigint) {
      positions.set({ projection }, Number(position))
    },
    /** Of what another node does by now. */
    forgetPosition(projection: string) {
      positions.remove({ projection })
    },
    /** How many of each kind. */
    leasesHeld(counts: Readonly<Record<string, number>>) {
      held.reset()
      for (const [lease, count] of Object.entries(counts)) held.set({ lease }, count)
    },
    projectionState(projection: string, current: (typeof projectionStates)[number]) {
      for (const state of projectionStates) states.set({ projection, state }, state === current ? 1 : 0)
    },
    webhookAttempt(outcome: 'delivered' | 'failed' | 'dead', seconds: number) {
      attempts.inc({ outcome })
      deliveries.observe({ outcome }, seconds)
    },
    pendingDeliveries(count: number) {
      pending.set(count)
    },
    bus(status: BusStatus) {
      for (const [counter, count] of [
        [published, status.published],
        [deadLetters, status.deadLetters],
        [gaps, status.gaps],
      ] as const) {
        counter.reset()
        counter.inc(count)
      }
      for (const [group, events] of Object.entries(status.lag)) lag.set({ group }, events)
    },
    messageSent(outcome: 'sent' | 'failed' | 'open') {
      sends.inc({ outcome })
    },
    whatsapp: {
      opened() {
        connections.inc()
      },
      closed() {
        connections.dec()
      },
      reconnecting(reason: string) {
        reconnects.inc({ reason })
      },
    },
    /** All of them in Prometheus' text format. */
    async exposition(): Promise<{ contentType: string; body: string }> {
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
  }
}
export type Metrics = ReturnType<typeof createMetrics>
