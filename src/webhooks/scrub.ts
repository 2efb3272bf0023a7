import type { Pool } from 'pg'
import { redeliveryLane } from '../domain/ids.ts'
import type { Scrub } from '../ports/scrub.ts'

/** What is left of the body of a delivery that was erased: JSON that no body is. */
export const ERASED_BODY = 'null'

/** For fan-out: what comes late is not delivered. */
const REMEMBER = `
insert into webhook_erased as present (key, position)
select key, max(position) from unnest($1::uuid[], $2::bigint[]) erased(key, position) group by key order by key
on conflict (key) do update set position = greatest(present.position, excluded.position)`

/** Whoever does not know that yet is waited for. */
const AWAIT_WRITERS = `begin; set local lock_timeout = '10s'; lock table webhook_delivery in share mode; commit`

/**
 * Empties deliveries of some keys ($1), and the answers to them. What is open ends; whoever delivers it at this moment is
 * stopped by the loss of the lease. Lanes are locked first and in order, as wherever deliveries change.
 */
const empty = (which: string) => `
with lane as (
  select endpoint_id, key from webhook_lane
  where (endpoint_id, key) in (select d.endpoint_id, d.key from webhook_delivery d where d.key = any($1::uuid[]))
  order by endpoint_id, key for update
), target as (
  select d.id, d.endpoint_id, d.key, d.state from webhook_delivery d join lane using (endpoint_id, key)
  where d.key = any($1::uuid[]) and d.body <> '${ERASED_BODY}' and ${which} for update of d
), emptied as (
  update webhook_delivery d set body = '${ERASED_BODY}', next_attempt_at = null,
    state = case when d.state = 'open' then 'dead' else d.state end, finished_at = coalesce(d.finished_at, now())
  from target where d.id = target.id
), unanswered as (
  update webhook_attempt a set response = null from target where a.delivery_id = target.id and a.response is not null
), counted as (
  select endpoint_id, key, count(*) filter (where state = 'open') as ended from target group by endpoint_id, key
)
update webhook_lane w set open = w.open - counted.ended, lease = null, lease_until = null
from counted where w.endpoint_id = counted.endpoint_id and w.key = counted.key and counted.ended > 0`

/** What came before the deletion of its key ($2). */
const EMPTY_UP_TO = empty(
  `exists (select from unnest($1::uuid[], $2::bigint[]) e(key, position)
           where e.key = d.key and coalesce(d.position, 0) < e.position)`,
)
/** What was told of some stored events ($2). */
const EMPTY_OF = empty('d.causation = any($2::text[])')

const emptyIn = async (pool: Pool, text: string, values: readonly (readonly string[])[]) => {
  const client = await pool.connect()
  try {
    await client.query(AWAIT_WRITERS)
    await client.query(text, [...values])
    client.release()
  } catch (error) {
    // It may still be in a transaction.
    client.release(true)
    throw error
  }
}

/** Takes what was told of some stored events out of the deliveries of webhooks; they are about these keys. */
export const scrubTold = (pool: Pool, keys: readonly string[], events: readonly string[]): Promise<void> =>
  emptyIn(pool, EMPTY_OF, [keys.flatMap((key) => [key, redeliveryLane(key)]), events])

/** Takes what was told of conversations and contacts out of the deliveries of webhooks; that they were made stays. */
export const scrubWebhooks =
  (pool: Pool): Scrub =>
  async (erased) => {
    const of = erased.flatMap(({ owners, position }) =>
      owners.map((owner) => ({ owner, position: String(position) })),
    )
    const positions = of.map(({ position }) => position)
    const keys = of.map(({ owner }) => owner)
    await pool.query(REMEMBER, [keys, positions])
    const lanes = keys.flatMap((key) => [key, redeliveryLane(key)])
    await emptyIn(pool, EMPTY_UP_TO, [lanes, positions.flatMap((position) => [position, position])])
  }
