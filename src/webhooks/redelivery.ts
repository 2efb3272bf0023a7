import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { redeliveryLane } from '../domain/ids.ts'
import type { PublicEvent } from '../domain/public-events.ts'
import type { Position } from '../ports/event-store.ts'
import { NAMED, NOT_ERASED, TOLD, told, WANTING } from './fan-out.ts'

/** Which of what an endpoint is subscribed to is delivered again. Times are ISO 8601, `until` is not included. */
export type Range = {
  readonly endpointId: string
  readonly since: string
  readonly until?: string | undefined
  readonly conversationId?: string | undefined
}
/** A redelivery that is not finished: known by its range. */
export type Run = {
  readonly id: string
  /** All up to here in the log is in the queue. */
  readonly position: Position
  /** Where the log ended when it began: what comes later is delivered anyway. */
  readonly upTo: Position
}
/** Deliveries that are open, and on how many lanes something is delivered now, or could be. */
export type Waiting = { readonly open: number; readonly lanesDue: number }
export type Counts = { readonly open: number; readonly delivered: number; readonly dead: number }

/** The endpoint is gone, or was switched off: nothing was added. */
export class NotWanted extends Error {
  override name = 'NotWanted'
}

const BEGIN = `
with begun as (
  insert into webhook_redelivery (id, endpoint_id, since, until, conversation_id, position, up_to)
  values ($1, $2, $3, $4, $5, 0, $6)
  on conflict (endpoint_id, since, until, conversation_id) where finished_at is null do nothing
  returning id, position, up_to
)
select id, position::text, up_to::text from begun
union all
select id, position::text, up_to::text from webhook_redelivery
where finished_at is null and endpoint_id = $2 and since = $3 and until is not distinct from $4
  and conversation_id is not distinct from $5`

/**
 * Deliveries for one endpoint ($2) and run ($3), each on a lane of its own, and how far the run is with them ($4): all or
 * nothing. What was erased since it was read is left out, as in fan-out.
 */
const ADD = `
with told as (${TOLD}), wanted as (
  select id from webhook_endpoint where id = $2 and active
), added as (
  insert into webhook_delivery
    (event_id, endpoint_id, tenant_id, instance_id, key, event, body, correlation, causation, position, redelivery)
  select e.id, w.id, e.tenant_id, e.instance_id, e.lane, ${NAMED}, e.correlation, e.causation, e.position, $3
  from told e join ${WANTING} and w.id = $2 where ${NOT_ERASED}
  order by e.n
  on conflict (redelivery, event_id) where redelivery is not null do nothing
  returning endpoint_id, key
), opened as (
  insert into webhook_lane as lane (endpoint_id, key, open, due_at)
  select endpoint_id, key, count(*), now() from added group by endpoint_id, key order by endpoint_id, key
  on conflict (endpoint_id, key) do update set
    open = lane.open + excluded.open,
    due_at = case when lane.open = 0 then excluded.due_at else lane.due_at end
), moved as (
  update webhook_redelivery set position = greatest(position, $4) from wanted where webhook_redelivery.id = $3
)
select exists (select from wanted) as wanted, (select count(*) from added) as added`

const WAITING = `
select count(*) as open, count(distinct d.key) filter (where l.due_at <= now()) as "lanesDue"
from webhook_delivery d join webhook_lane l using (endpoint_id, key)
where d.redelivery is not null and d.state = 'open' and d.endpoint_id = $1`

const COUNTS = `
select count(*) filter (where state = 'open') as open, count(*) filter (where state = 'delivered') as delivered,
  count(*) filter (where state = 'dead') as dead
from webhook_delivery where redelivery = $1`

/**
 * Delivers again what was told before. Each is a delivery of its own beside the first one, once in a run; those about one
 * conversation keep their order, on a lane of their own, which what is new does not wait for.
 */
export const createRedeliveries = (pool: Pool, wake: () => void) => ({
  /** The unfinished run of a range, which goes on; or a new one. */
  async begin(range: Range, upTo: Position): Promise<Run> {
    const { endpointId, since, until, conversationId } = range
    const values = [randomUUID(), endpointId, since, until ?? null, conversationId ?? null, String(upTo)]
    const { rows } = await pool.query<{ id: string; position: string; up_to: string }>(BEGIN, values)
    const [run] = rows
    if (!run) throw new Error('The same redelivery was begun, or ended, at this moment')
    return { id: run.id, position: BigInt(run.position), upTo: BigInt(run.up_to) }
  },

  /** Puts events into the queue; all up to a position is there then. Answers how many were new. Throws NotWanted. */
  async add(
    { id }: Run,
    { endpointId }: Range,
    events: readonly PublicEvent[],
    position: Position,
  ): Promise<number> {
    const values = [told(events, redeliveryLane), endpointId, id, String(position)]
    const { rows } = await pool.query<{ wanted: boolean; added: number }>(ADD, values)
    const [answer] = rows
    if (!answer?.wanted) throw new NotWanted('The endpoint is gone, or was switched off')
    if (answer.added > 0) wake()
    return answer.added
  },

  /** What is made again for an endpoint and is not over, of whichever run. */
  async waiting(endpointId: string): Promise<Waiting> {
    const { rows } = await pool.query<Waiting>(WAITING, [endpointId])
    return rows[0] ?? { open: 0, lanesDue: 0 }
  },

  async counts({ id }: Run): Promise<Counts> {
    const { rows } = await pool.query<Counts>(COUNTS, [id])
    return rows[0] ?? { open: 0, delivered: 0, dead: 0 }
  },

  /** The same range begins anew from now on. */
  async finish({ id }: Run): Promise<void> {
    await pool.query('update webhook_redelivery set finished_at = now() where id = $1', [id])
  },
})
export type Redeliveries = ReturnType<typeof createRedeliveries>
