import { randomUUID } from 'node:crypto'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import type { PublicEvent } from '../../src/domain/public-events.ts'
import { subscribedNames, type Subscribable } from '../../src/domain/webhook.ts'
import { ensureTable } from '../../src/projections/checkpoint.ts'
import { webhookEndpoints } from '../../src/projections/webhook-endpoints.ts'
import { createDeliveries } from '../../src/webhooks/deliveries.ts'
import { createFanOut } from '../../src/webhooks/fan-out.ts'
import {
  webhookQueue,
  type AttemptRecord,
  type Delivery,
  type Lane,
  type Release,
} from '../../src/webhooks/queue.ts'
import { createTestDatabase } from '../support/database.ts'

const TENANT = randomUUID()
const AT = '2025-01-15T10:30:00.000Z'
const HOUR_MS = 3_600_000

/** A message that came in, of one instance and conversation. */
export const incoming = (instanceId: string, key: string, text = 'hello'): PublicEvent => ({
  id: randomUUID(),
  type: 'message.received',
  at: AT,
  tenantId: TENANT,
  instanceId,
  key,
  correlation: 'correlation',
  causation: randomUUID(),
  data: {
    message_id: randomUUID(),
    whatsapp_message_id: '3EB0',
    content: text,
    media_type: null,
    media_url: null,
    timestamp: AT,
    conversation_id: 1,
    chat_id: '5511999999999@s.whatsapp.net',
    is_group: false,
    reply_to: null,
    sender_number: '5511999999999',
    sender_name: null,
  },
})

export const connected = (instanceId: string): PublicEvent => ({
  id: randomUUID(),
  type: 'instance.connected',
  at: AT,
  tenantId: TENANT,
  instanceId,
  key: instanceId,
  correlation: 'correlation',
  causation: randomUUID(),
  data: { previous_status: 'qr_ready', new_status: 'connected', phone_number: '5511999999999' },
})

const openQueue = async () => {
  const database = await createTestDatabase()
  const faults: Error[] = []
  const pool = createPool(database.url, { max: 20, onError: (error) => faults.push(error) })
  await ensureTable(pool, webhookEndpoints)

  const addEndpoint = async (
    instanceId: string,
    {
      events = null,
      active = true,
      url = 'http://receiver.example/hook',
    }: { events?: readonly Subscribable[] | null; active?: boolean; url?: string } = {},
  ): Promise<string> => {
    const id = randomUUID()
    await pool.query(
      `insert into webhook_endpoint (id, tenant_id, instance_id, url, secret, events, names, active, updated_at)
       values ($1, $2, $3, $7, 'a secret', $4, $5, $6, now())`,
      [id, TENANT, instanceId, JSON.stringify(events), JSON.stringify(subscribedNames(events)), active, url],
    )
    return id
  }
  const switchEndpoint = (id: string, active: boolean) =>
    pool.query('update webhook_endpoint set active = $2 where id = $1', [id, active])

  /** What stands in the table of lanes: still open by lane, and in all. */
  const openCounts = async () => {
    const { rows } = await pool.query<{ open: number; really: number }>(
      `select l.open, (select count(*) from webhook_delivery d
                       where d.endpoint_id = l.endpoint_id and d.key = l.key and d.state = 'open') as really
       from webhook_lane l`,
    )
    return rows
  }

  const clear = () =>
    pool.query('truncate webhook_endpoint, webhook_lane, webhook_attempt, webhook_delivery restart identity')
  const stop = async () => {
    await pool.end()
    await database.drop()
  }

  return {
    url: database.url,
    pool,
    clear,
    stop,
    addEndpoint,
    switchEndpoint,
    openCounts,
    fanOut: createFanOut({ pool }),
    deliveries: createDeliveries(pool, () => {}),
    /** A queue as a process of its own has it. */
    worker: (leaseSeconds = 60) => webhookQueue(pool, randomUUID(), leaseSeconds),
  }
}

let opened: ReturnType<typeof openQueue> | undefined

/** To be called after all tests of a file: others may share its modules. */
export const stopQueue = async () => {
  const queue = await opened
  opened = undefined
  await queue?.stop()
}

/** The queue, empty, and hands on its parts; one database serves all tests of a file, which ends with `stopQueue`. */
export const startQueue = async () => {
  opened ??= openQueue()
  const queue = await opened
  await queue.clear()
  return queue
}

export const everything = { lanes: 1000, perEndpoint: 1000 } as const

/** A record of one attempt, as the deliverer makes it. */
export const attemptAt = (
  delivery: Delivery,
  outcome: { delivered: true } | { nextAt: Date } | { dead: true },
): AttemptRecord => ({
  delivery: delivery.id,
  number: delivery.attempts + 1,
  at: new Date().toISOString(),
  duration_ms: 1,
  status: 'delivered' in outcome ? 200 : 503,
  error: null,
  response: null,
  state: 'delivered' in outcome ? 'delivered' : 'dead' in outcome ? 'dead' : 'open',
  next_at: 'nextAt' in outcome ? outcome.nextAt.toISOString() : null,
})

/** A lane given back with all of its deliveries delivered. */
export const allDelivered = (lane: Lane): Release => ({
  lane,
  attempts: lane.deliveries.map((delivery) => attemptAt(delivery, { delivered: true })),
})

export const inAnHour = () => new Date(Date.now() + HOUR_MS)
