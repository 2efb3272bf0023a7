import type { Pool } from 'pg'
import type { Room } from './room.ts'
import { ERASED_BODY } from './scrub.ts'

/** Deliveries of one lane taken at once; they go out one after the other. */
const PER_LANE = 10
/** What a process that dies leaves behind is taken over after this; who works for longer renews its leases. */
const LEASE_SECONDS = 5

export type Delivery = {
  readonly id: number
  readonly event_id: string
  readonly instance_id: string
  readonly event: string
  readonly body: string
  readonly attempts: number
  readonly retries_from: number
  readonly created_at: string
  /** It is made again because somebody asked for it. */
  readonly again: boolean
}
export type Lane = {
  readonly endpointId: string
  readonly key: string
  /** Names the claim that it was taken by. */
  readonly lease: string
  /** When it was taken at the earliest, and until when it is held at least, in ms by the clock of this process, which never jumps. */
  readonly since: number
  readonly until: number
  readonly url: string
  readonly secret: string
  readonly deliveries: readonly Delivery[]
}
export type Lease = {
  readonly name: string
  readonly seconds: number
  readonly since: number
}

/** A delivery on a lane that was taken; its columns are null on a lane where there is none. */
export type ClaimedRow = Delivery & { endpoint_id: string; key: string; url: string; secret: string }

/** Lanes with their deliveries, which come in order. */
export const lanesOf = (rows: readonly ClaimedRow[], lease: Lease): Lane[] => {
  const lanes = new Map<string, Lane & { deliveries: Delivery[] }>()
  const { name, since, seconds } = lease
  const term = { lease: name, since, until: since + seconds * 1000 }
  for (const { endpoint_id, key, url, secret, ...delivery } of rows) {
    const id = `${endpoint_id} ${key}`
    const known = lanes.get(id)
    const lane = known ?? { endpointId: endpoint_id, key, ...term, url, secret, deliveries: [] }
    if (delivery.id !== null) lane.deliveries.push(delivery)
    lanes.set(id, lane)
  }
  return [...lanes.values()]
}

/** Whether a delivery is made again because somebody asked for it: a range of them, or this one. */
export const AGAIN = '(d.redelivery is not null or d.retries_from > 0)'

/**
 * Takes due lanes under a lease: of each endpoint as many as there is room for, from those with the most room first,
 * so that a slow one cannot take all. The recursion steps from one endpoint with open lanes to the next, however many
 * lanes lie between. Deliveries are read as they were when the statement began; a lane that somebody else has worked on
 * since then is due later than that, and its lock sees so.
 */
const CLAIM = `
with recursive stepped(endpoint_id) as (
  (select endpoint_id from webhook_lane where open > 0 order by endpoint_id, due_at limit 1)
  union all
  select (select l.endpoint_id from webhook_lane l where l.open > 0 and l.endpoint_id > stepped.endpoint_id
          order by l.endpoint_id, l.due_at limit 1)
  from stepped where stepped.endpoint_id is not null
), endpoint as (
  select e.id, e.url, e.secret, coalesce(($3::jsonb ->> e.id::text)::integer, $2::integer) as room
  from stepped join webhook_endpoint e on e.id = stepped.endpoint_id and e.active
  order by room desc, random()
), due as (
  select lane.* from endpoint cross join lateral (
    select l.endpoint_id, l.key from webhook_lane l
    where l.endpoint_id = endpoint.id and l.open > 0 and l.due_at <= now()
      and (l.lease_until is null or l.lease_until < now())
    order by l.due_at limit endpoint.room
    for update skip locked
  ) lane
  limit $1::integer
), claimed as (
  update webhook_lane w set lease = $4, lease_until = now() + make_interval(secs => $5)
  from due where w.endpoint_id = due.endpoint_id and w.key = due.key
  returning w.endpoint_id, w.key
)
select c.endpoint_id, c.key, e.url, e.secret,
       d.id, d.event_id, d.instance_id, d.event, d.body, d.attempts, d.retries_from, d.created_at,
       ${AGAIN} as again
from claimed c join endpoint e on e.id = c.endpoint_id
left join lateral (
  select * from webhook_delivery d
  where d.endpoint_id = c.endpoint_id and d.key = c.key and d.state = 'open'
  order by d.id limit ${PER_LANE}
) d on true
order by d.id`

/**
 * Records attempts and gives lanes back. Lanes are locked first and in order, here and wherever deliveries change, so
 * that nobody waits in a circle. Only the row that really ends a delivery counts it off its lane. From one whose lease
 * was taken over, a delivery still counts; a failure does not: whoever has the lane now finds out. What is answered to a
 * delivery that was erased while it was made may repeat it, and is not kept.
 */
const RELEASE = `
with locked as (
  select l.*, w.lease = l.lease as held
  from json_to_recordset($2) as l(n integer, endpoint_id uuid, key uuid, lease text, rests_until timestamptz)
  join webhook_lane w using (endpoint_id, key)
  order by w.endpoint_id, w.key for update of w
), made as (
  select * from json_to_recordset($1) as a(lane integer,
    delivery bigint, number integer, at timestamptz, duration_ms integer, status integer, error text, response text,
    state text, next_at timestamptz)
), present as (
  select d.id, d.body <> '${ERASED_BODY}' as told
  from made join locked on locked.n = made.lane join webhook_delivery d on d.id = made.delivery
  order by d.id for update of d
), known as (
  select id, bool_and(told) as told from present group by id
), logged as (
  insert into webhook_attempt (delivery_id, number, at, duration_ms, status, error, response)
  select made.delivery, made.number, made.at, made.duration_ms, made.status, made.error,
         case when known.told then made.response end
  from made join known on known.id = made.delivery on conflict do nothing
), updated as (
  update webhook_delivery d set attempts = made.number, state = made.state, next_attempt_at = made.next_at,
    finished_at = case when made.state = 'open' then null else now() end
  from made join known on known.id = made.delivery
    join locked on locked.n = made.lane and (locked.held or made.state = 'delivered')
  where d.id = made.delivery and d.finished_at is null
  returning locked.n, d.state, d.next_attempt_at
), ended as (
  select n, count(*) filter (where state <> 'open') as ended, max(next_attempt_at) as due_at from updated group by n
), outcome as (
  select endpoint_id, key, coalesce(bool_or(held), false) as held, coalesce(sum(ended), 0) as ended,
    greatest(max(due_at), max(rests_until), now()) as due_at
  from locked left join ended using (n) group by endpoint_id, key
)
update webhook_lane w set
  open = w.open - o.ended,
  due_at = case when o.held then o.due_at else w.due_at end,
  lease = case when o.held then null else w.lease end,
  lease_until = case when o.held then null else w.lease_until end
from outcome o where w.endpoint_id = o.endpoint_id and w.key = o.key
returning w.open > 0 and w.due_at <= now() as more`

/** Prolongs leases that are still held; the lanes are locked in order, as everywhere. */
const RENEW = `
with locked as (
  select l.n, w.endpoint_id, w.key
  from json_to_recordset($1) as l(n integer, endpoint_id uuid, key uuid, lease text)
  join webhook_lane w on w.endpoint_id = l.endpoint_id and w.key = l.key and w.lease = l.lease
  order by w.endpoint_id, w.key for update of w
)
update webhook_lane w set lease_until = now() + make_interval(secs => $2)
from locked where w.endpoint_id = locked.endpoint_id and w.key = locked.key
returning locked.n`

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
/** A lane to give back; it is due again when the delivery that failed is, or else at once. */
export type Release = {
  readonly lane: Lane
  readonly attempts: readonly AttemptRecord[]
  /** Keeps a lane on which nothing could be tried from being taken before. */
  readonly restsUntil?: Date
}

/**
 * The delivery queue in PostgreSQL. A commit that a crash of the database undoes only brings deliveries again, so the
 * pool need not be durable.
 */
export const webhookQueue = (pool: Pool, owner: string, leaseSeconds: number = LEASE_SECONDS) => {
  let leases = 0
  const newLease = (): Lease => ({
    name: `${owner} ${++leases}`,
    seconds: leaseSeconds,
    since: performance.now(),
  })

  const claim = async ({ lanes, perEndpoint, endpoints = {} }: Room): Promise<Lane[]> => {
    const lease = newLease()
    const { rows } = await pool.query<ClaimedRow>({
      name: 'webhook-claim',
      text: CLAIM,
      values: [lanes, perEndpoint, JSON.stringify(endpoints), lease.name, lease.seconds],
    })
    return lanesOf(rows, lease)
  }

  /** Answers whether any of the lanes has more to deliver now. */
  const release = async (releases: readonly Release[]): Promise<boolean> => {
    const { rows } = await pool.query<{ more: boolean }>({
      name: 'webhook-release',
      text: RELEASE,
      values: [
        JSON.stringify(releases.flatMap(({ attempts }, lane) => attempts.map((made) => ({ lane, ...made })))),
        JSON.stringify(
          releases.map(({ lane: { endpointId, key, lease }, restsUntil }, n) => ({
            n,
            endpoint_id: endpointId,
            key,
            lease,
            rests_until: restsUntil,
          })),
        ),
      ],
    })
    return rows.some(({ more }) => more)
  }

  /** Holds lanes for longer. Answers which of them were still held, and until when they are now. */
  const renew = async (lanes: readonly Lane[]): Promise<{ kept: ReadonlySet<Lane>; until: number }> => {
    const until = performance.now() + leaseSeconds * 1000
    const held = lanes.map(({ endpointId, key, lease }, n) => ({ n, endpoint_id: endpointId, key, lease }))
    const { rows } = await pool.query<{ n: number }>({
      name: 'webhook-renew',
      text: RENEW,
      values: [JSON.stringify(held), leaseSeconds],
    })
    return { kept: new Set(rows.flatMap(({ n }) => lanes[n] ?? [])), until }
  }

  /** Gives back every lane under a lease; for a process that knows itself to be the only one. */
  const releaseAll = async (): Promise<void> => {
    await pool.query('update webhook_lane set lease = null, lease_until = null where lease is not null')
  }

  /** Removes deliveries that ended before a number of days, a bounded number at a time. Answers how many. */
  const purge = async (retentionDays: number, limit: number): Promise<number> => {
    // The lock looks again at rows that were changed meanwhile: one that is opened again stays.
    const { rowCount } = await pool.query(
      `delete from webhook_delivery where id in (
         select id from webhook_delivery where state <> 'open' and finished_at < now() - make_interval(days => $1)
         limit $2 for update skip locked)`,
      [retentionDays, limit],
    )
    return rowCount ?? 0
  }

  return { newLease, claim, renew, release, releaseAll, purge }
}
export type WebhookQueue = ReturnType<typeof webhookQueue>
