import type { Pool, PoolClient } from 'pg'
import { bodyFields, type PublicEvent } from '../domain/public-events.ts'
import { lanesOf, type ClaimedRow, type Lane, type Lease } from './queue.ts'
import type { Room } from './room.ts'

/** Public events, as `told` gives them: `$1`. */
export const TOLD = `
  select * from json_to_recordset($1) as e(
    n integer, id uuid, type text, tenant_id uuid, instance_id uuid, key uuid, correlation text, causation text,
    position bigint, lane uuid, rest text)`
/** An endpoint that wants an event, and the name and the body that it gets it by. */
export const WANTING = 'webhook_endpoint w on w.instance_id = e.instance_id and w.active and w.names ? e.type'
export const NAMED = `w.names ->> e.type, '{"event":' || (w.names -> e.type)::text || ',' || e.rest`
export const NOT_ERASED = `
  not exists (select from webhook_erased x where x.key = e.key and x.position > coalesce(e.position, 0))`

/**
 * One delivery for each event and endpoint that wants it, under the name that it subscribed to; the lane of each is
 * opened with it. Told again, an event adds nothing; nor does one that comes so late that it was erased meanwhile. A lane
 * on which nothing was open can be taken at once, under the lease $2: then the deliveries added are all that it has. The
 * first of each endpoint are, in turns, as many as there is room for: $4 in all, $5 or what $6 says of an endpoint.
 */
const FAN_OUT = `
with told as (${TOLD}), added as (
  insert into webhook_delivery (event_id, endpoint_id, tenant_id, instance_id, key, event, body, correlation, causation, position)
  select e.id, w.id, e.tenant_id, e.instance_id, e.key, ${NAMED}, e.correlation, e.causation, e.position
  from told e join ${WANTING} where ${NOT_ERASED}
  order by e.n, w.id
  on conflict (event_id, endpoint_id) where redelivery is null do nothing
  returning *
), numbered as (
  select endpoint_id, key, count(*) as open, min(id) as first,
    row_number() over (partition by endpoint_id order by min(id)) as nth
  from added group by endpoint_id, key
), fitting as (
  select *, nth <= coalesce(($6::jsonb ->> endpoint_id::text)::integer, $5::integer) as fits from numbered
), offered as (
  select *, fits and row_number() over (partition by fits order by nth, first) <= $4::integer as has_room from fitting
), opened as (
  insert into webhook_lane as lane (endpoint_id, key, open, due_at, lease, lease_until)
  select endpoint_id, key, open, now(),
    case when has_room then $2 end, case when has_room then now() + make_interval(secs => $3) end
  from offered order by endpoint_id, key
  on conflict (endpoint_id, key) do update set
    open = lane.open + excluded.open,
    due_at = case when lane.open = 0 then excluded.due_at else lane.due_at end,
    lease = case when lane.open = 0 and lane.lease is null then excluded.lease else lane.lease end,
    lease_until = case when lane.open = 0 and lane.lease is null then excluded.lease_until else lane.lease_until end
  returning endpoint_id, key, lease = $2 as taken
)
select coalesce(o.taken, false) as taken, a.endpoint_id, a.key, w.url, w.secret,
       a.id, a.event_id, a.instance_id, a.event, a.body, a.attempts, a.retries_from, a.created_at, false as again
from added a join opened o using (endpoint_id, key) join webhook_endpoint w on w.id = a.endpoint_id
order by a.id`

/** The body of a webhook without its first field, `event`, whose value is the endpoint's to choose. */
const restOfBody = (event: PublicEvent) => JSON.stringify(bodyFields(event)).slice(1)

/** Public events as rows, with the lane of each if that is not its key. */
export const told = (events: readonly PublicEvent[], laneOf?: (key: string) => string): string =>
  JSON.stringify(
    events.map((event, n) => ({
      n,
      id: event.id,
      type: event.type,
      tenant_id: event.tenantId,
      instance_id: event.instanceId,
      key: event.key,
      correlation: event.correlation,
      causation: event.causation,
      position: event.position,
      lane: laneOf?.(event.key),
      rest: restOfBody(event),
    })),
  )

/** Room for lanes that are about to be opened, and the lease under which they may be taken. */
export type Offer = Room & { readonly lease: Lease }
/** Makes an offer, unless there is no room, and delivers what is taken. */
export type Offering = (open: (offer: Offer | undefined) => Promise<readonly Lane[]>) => Promise<void>

type Options = {
  readonly pool: Pool | PoolClient
  readonly offering?: Offering
  /** There is something to deliver that was not taken. */
  readonly onAdded?: () => void
}

const noOffer: Offering = async (open) => {
  await open(undefined)
}

/** Makes deliveries of public events; resolves once they cannot be lost. */
export const createFanOut =
  ({ pool, offering = noOffer, onAdded }: Options) =>
  async (events: readonly PublicEvent[]) => {
    let isLeft = false
    await offering(async (offer) => {
      const { lease, lanes = 0, perEndpoint = 0, endpoints = {} } = offer ?? {}
      const { rows } = await pool.query<ClaimedRow & { taken: boolean }>({
        name: 'webhook-fan-out',
        text: FAN_OUT,
        values: [
          told(events),
          lease?.name,
          lease?.seconds ?? 0,
          lanes,
          perEndpoint,
          JSON.stringify(endpoints),
        ],
      })
      const taken = rows.filter((row) => row.taken)
      isLeft = taken.length < rows.length
      return lease ? lanesOf(taken, lease) : []
    })
    if (isLeft) onAdded?.()
  }
