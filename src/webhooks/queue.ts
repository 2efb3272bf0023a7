import type { Pool } from 'pg'

/** Deliveries of one lane taken at once; they go out one after the other. */
const PER_LANE = 10

export type Delivery = {
  readonly id: number
  readonly event_id: string
  readonly instance_id: string
  readonly event: string
  readonly body: string
  readonly attempts: number
  readonly retries_from: number
  readonly created_at: string
}
export type Lane = {
  readonly endpointId: string
  readonly key: string
  readonly url: string
  readonly secret: string
  readonly deliveries: readonly Delivery[]
}
type ClaimedRow = Delivery & { endpoint_id: string; key: string; url: string; secret: string }

/**
 * Takes due lanes under a lease, so many for each endpoint at most, that a slow one cannot take all the room. The
 * recursion steps from one endpoint with open lanes to the next, however many lanes lie between.
 */
const CLAIM = `
with recursive busy(endpoint_id) as (
  (select endpoint_id from webhook_lane where open > 0 order by endpoint_id limit 1)
  union all
  select (select l.endpoint_id from webhook_lane l where l.open > 0 and l.endpoint_id > busy.endpoint_id
          order by l.endpoint_id limit 1)
  from busy where busy.endpoint_id is not null
), due as (
  select lane.endpoint_id, lane.key
  from busy join webhook_endpoint e on e.id = busy.endpoint_id and e.active
  cross join lateral (
    select l.endpoint_id, l.key from webhook_lane l
    where l.endpoint_id = busy.endpoint_id and l.open > 0 and l.due_at <= now()
      and (l.lease_until is null or l.lease_until < now())
    order by l.due_at
    limit greatest(0, $2::integer - coalesce(($3::jsonb ->> busy.endpoint_id::text)::integer, 0))
    for update skip locked
  ) lane
  limit $1::integer
), claimed as (
  update webhook_lane w set lease_owner = $4, lease_until = now() + make_interval(secs => $5)
  from due where w.endpoint_id = due.endpoint_id and w.key = due.key
  returning w.endpoint_id, w.key
)
select c.endpoint_id, c.key, e.url, e.secret,
       d.id, d.event_id, d.instance_id, d.event, d.body, d.attempts, d.retries_from, d.created_at
from claimed c join webhook_endpoint e on e.id = c.endpoint_id
left join lateral (
  select * from webhook_delivery d
  where d.endpoint_id = c.endpoint_id and d.key = c.key and d.state = 'open'
  order by d.id limit ${PER_LANE}
) d on true
order by d.id`

/** Records attempts and gives lanes back. Only the row that really ends a delivery counts it off its lane. */
const RELEASE = `
with made as (
  select * from json_to_recordset($1) as a(
    delivery bigint, number integer, at timestamptz, duration_ms integer, status integer, error text, response text,
    state text, next_at timestamptz)
), logged as (
  insert into webhook_attempt (delivery_id, number, at, duration_ms, status, error, response)
  select delivery, number, at, duration_ms, status, error, response from made on conflict do nothing
), updated as (
  update webhook_delivery d set attempts = made.number, state = made.state, next_attempt_at = made.next_at,
    finished_at = case when made.state = 'open' then null else now() end
  from made where d.id = made.delivery and d.state = 'open'
  returning d.endpoint_id, d.key, (d.state <> 'open')::integer as ended
), given_back as (
  select l.*, coalesce((select sum(u.ended) from updated u where u.endpoint_id = l.endpoint_id and u.key = l.key), 0)
    as ended
  from json_to_recordset($2) as l(endpoint_id uuid, key uuid, due_at timestamptz)
), locked as (
  select g.* from given_back g join webhook_lane w using (endpoint_id, key)
  order by w.endpoint_id, w.key for update of w
)
update webhook_lane w set
  open = w.open - l.ended,
  due_at = case when w.lease_owner = $3 then coalesce(l.due_at, now()) else w.due_at end,
  lease_owner = case when w.lease_owner = $3 then null else w.lease_owner end,
  lease_until = case when w.lease_owner = $3 then null else w.lease_until end
from locked l where w.endpoint_id = l.endpoint_id and w.key = l.key
returning w.open > 0 and w.due_at <= now() as more`

export type AttemptRecord = {
  readonly delivery: number
  readonly number: number
  readonly at: string
  readonly duration_ms: number
  readonly status: number | null
  readonly error: string | null
  readonly response: string | null
  readonly state: 'open' | 'delivered' | 'dead'
  readonly next_at: string | null
}
/** A lane to give back; `dueAt` keeps it from being taken before. */
export type Release = {
  readonly lane: Lane
  readonly attempts: readonly AttemptRecord[]
  readonly dueAt: Date | undefined
}

type ClaimOptions = {
  readonly lanes: number
  readonly perEndpoint: number
  /** Lanes of each endpoint already in this process's hands. */
  readonly busy: Readonly<Record<string, number>>
}

/**
 * The delivery queue in PostgreSQL. A commit that a crash of the database undoes only brings deliveries again, so the
 * pool need not be durable.
 */
export const webhookQueue = (pool: Pool, owner: string, leaseSeconds: number) => ({
  async claim({ lanes, perEndpoint, busy }: ClaimOptions): Promise<Lane[]> {
    const { rows } = await pool.query<ClaimedRow>({
      name: 'webhook-claim',
      text: CLAIM,
      values: [lanes, perEndpoint, JSON.stringify(busy), owner, leaseSeconds],
    })
    const claimed = new Map<string, Lane & { deliveries: Delivery[] }>()
    for (const { endpoint_id, key, url, secret, ...delivery } of rows) {
      const id = `${endpoint_id} ${key}`
      const lane = claimed.get(id) ?? { endpointId: endpoint_id, key, url, secret, deliveries: [] }
      if (delivery.id !== null) lane.deliveries.push(delivery)
      claimed.set(id, lane)
    }
    return [...claimed.values()]
  },

  /** Answers whether any of the lanes has more to deliver now. */
  async release(releases: readonly Release[]): Promise<boolean> {
    const { rows } = await pool.query<{ more: boolean }>({
      name: 'webhook-release',
      text: RELEASE,
      values: [
        JSON.stringify(releases.flatMap(({ attempts }) => attempts)),
        JSON.stringify(
          releases.map(({ lane, dueAt }) => ({ endpoint_id: lane.endpointId, key: lane.key, due_at: dueAt })),
        ),
        owner,
      ],
    })
    return rows.some(({ more }) => more)
  },

  /** Gives back every lane under a lease; for a process that knows itself to be the only one. */
  async releaseAll(): Promise<void> {
    await pool.query(
      'update webhook_lane set lease_owner = null, lease_until = null where lease_owner is not null',
    )
  },

  /** Removes deliveries that ended before a number of days, a bounded number at a time. Answers how many. */
  async purge(retentionDays: number, limit: number): Promise<number> {
    const { rowCount } = await pool.query(
      `delete from webhook_delivery where id in (
         select id from webhook_delivery where state <> 'open' and finished_at < now() - make_interval(days => $1)
         limit $2)`,
      [retentionDays, limit],
    )
    return rowCount ?? 0
  },
})
export type WebhookQueue = ReturnType<typeof webhookQueue>
