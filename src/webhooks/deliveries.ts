import type { Pool } from 'pg'

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
  readonly attempts: readonly Attempt[]
}

export type DeliveryFilter = {
  readonly instanceId: string
  readonly state?: DeliveryRow['state'] | undefined
  readonly beforeId?: number | undefined
  readonly limit: number
}

const COLUMNS = `d.id, d.event_id, d.tenant_id, d.instance_id, d.event, d.body, d.correlation, d.causation, d.state,
  d.next_attempt_at, d.created_at, d.finished_at,
  coalesce((
    select json_agg(json_build_object('number', a.number, 'at', to_char(a.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'duration_ms', a.duration_ms, 'status', a.status, 'error', a.error, 'response', a.response) order by a.number)
    from webhook_attempt a where a.delivery_id = d.id), '[]'::json) as attempts`

/** Makes a delivery due now, at the head of its lane; one that had ended gets the whole retry schedule again. */
const REDELIVER = `
with target as (
  select id, endpoint_id, key from webhook_delivery where id = $1
), opened as (
  update webhook_delivery d set state = 'open', retries_from = attempts, finished_at = null, next_attempt_at = null
  from target where d.id = target.id and d.state <> 'open' returning d.id
)
insert into webhook_lane as lane (endpoint_id, key, open, due_at)
select endpoint_id, key, (select count(*) from opened), now() from target
on conflict (endpoint_id, key) do update set open = lane.open + excluded.open, due_at = now()`

/** Reads the delivery log, and sends again by hand. */
export const createDeliveries = (pool: Pool, wake: () => void) => ({
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
