import type { Pool, PoolClient } from 'pg'
import { AGAIN } from './queue.ts'
import { ERASED_BODY } from './scrub.ts'

export type Attempt = {
  readonly number: number
  readonly at: string
  readonly duration_ms: number
  readonly status: number | null
  readonly error: string | null
  readonly response: string | null
}
export type DeliveryRow = {
  readonly id: number
  readonly event_id: string
  readonly tenant_id: string
  readonly instance_id: string
  readonly event: string
  readonly body: string
  readonly correlation: string
  readonly causation: string
  readonly state: 'open' | 'delivered' | 'dead'
  readonly next_attempt_at: string | null
  readonly created_at: string
  readonly finished_at: string | null
  readonly again: boolean
  readonly attempts: readonly Attempt[]
}

export type DeliveryFilter = {
  readonly instanceId: string
  readonly state?: DeliveryRow['state'] | undefined
  readonly beforeId?: number | undefined
  readonly limit: number
}

const COLUMNS = `d.id, d.event_id, d.tenant_id, d.instance_id, d.event, d.body, d.correlation, d.causation, d.state,
  d.next_attempt_at, d.created_at, d.finished_at, ${AGAIN} as again,
  coalesce((
    select json_agg(json_build_object('number', a.number, 'at', to_char(a.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'duration_ms', a.duration_ms, 'status', a.status, 'error', a.error, 'response', a.response) order by a.number)
    from webhook_attempt a where a.delivery_id = d.id), '[]'::json) as attempts`

/**
 * Makes a delivery due now, at the head of its lane; one that had ended gets the whole retry schedule again. What it is
 * at this moment is known once its lane is locked.
 */
const REDELIVER = `
with lane as (
  select w.endpoint_id, w.key from webhook_lane w join webhook_delivery d using (endpoint_id, key)
  where d.id = $1 for update of w
), target as (
  select d.id, d.endpoint_id, d.key, d.state from webhook_delivery d join lane using (endpoint_id, key)
  where d.id = $1 and d.body <> '${ERASED_BODY}' for update of d
), opened as (
  update webhook_delivery d set state = 'open', retries_from = attempts, finished_at = null, next_attempt_at = null
  from target where d.id = target.id and target.state <> 'open' returning d.id
), counted as (
  select t.endpoint_id, t.key, count(o.id) as opened from target t left join opened o using (id)
  group by t.endpoint_id, t.key
)
update webhook_lane w set open = w.open + counted.opened, due_at = now()
from counted where w.endpoint_id = counted.endpoint_id and w.key = counted.key`

export const isErased = ({ body }: DeliveryRow) => body === ERASED_BODY

/** Reads the delivery log, and sends again by hand. */
export const createDeliveries = (pool: Pool | PoolClient, wake: () => void) => ({
  /** The newest first. */
  async list({ instanceId, state, beforeId, limit }: DeliveryFilter): Promise<DeliveryRow[]> {
    const { rows } = await pool.query<DeliveryRow>(
      `select ${COLUMNS} from webhook_delivery d
       where d.instance_id = $1 and ($2::text is null or d.state = $2) and ($3::bigint is null or d.id < $3)
       order by d.id desc limit $4`,
      [instanceId, state ?? null, beforeId ?? null, limit],
    )
    return rows
  },

  async find(id: number): Promise<DeliveryRow | undefined> {
    const { rows } = await pool.query<DeliveryRow>(
      `select ${COLUMNS} from webhook_delivery d where d.id = $1`,
      [id],
    )
    return rows[0]
  },

  /** Those of one public event, one for each endpoint that got it. */
  async ofEvent(eventId: string): Promise<DeliveryRow[]> {
    const { rows } = await pool.query<DeliveryRow>(
      // In two halves, since there is an index for either.
      `select ${COLUMNS} from webhook_delivery d
       where d.event_id = $1 and d.redelivery is null or d.event_id = $1 and d.redelivery is not null
       order by d.id`,
      [eventId],
    )
    return rows
  },

  async redeliver(id: number): Promise<void> {
    await pool.query(REDELIVER, [id])
    wake()
  },

  async pending(): Promise<number> {
    const { rows } = await pool.query<{ pending: number }>(
      'select coalesce(sum(open), 0)::integer as pending from webhook_lane where open > 0',
    )
    return rows[0]?.pending ?? 0
  },
})
export type Deliveries = ReturnType<typeof createDeliveries>
