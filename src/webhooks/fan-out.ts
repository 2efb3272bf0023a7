import type { Pool, PoolClient } from 'pg'
import type { PublicEvent } from '../domain/public-events.ts'
import { offsetTime } from '../domain/values.ts'

/**
 * One delivery for each event and endpoint that wants it, under the name that it subscribed to; the lane of each is
 * opened with it. Told again, an event adds nothing.
 */
const FAN_OUT = `
with told as (
  select * from json_to_recordset($1) as e(
    n integer, id uuid, type text, tenant_id uuid, instance_id uuid, key uuid, correlation text, causation text, rest text)
), added as (
  insert into webhook_delivery (event_id, endpoint_id, tenant_id, instance_id, key, event, body, correlation, causation)
  select e.id, w.id, e.tenant_id, e.instance_id, e.key, w.names ->> e.type,
         '{"event":' || (w.names -> e.type)::text || ',' || e.rest, e.correlation, e.causation
  from told e join webhook_endpoint w on w.instance_id = e.instance_id and w.active and w.names ? e.type
  order by e.n, w.id
  on conflict (event_id, endpoint_id) do nothing
  returning endpoint_id, key
), opened as (
  insert into webhook_lane as lane (endpoint_id, key, open, due_at)
  select endpoint_id, key, count(*), now() from added group by endpoint_id, key order by endpoint_id, key
  on conflict (endpoint_id, key) do update set
    open = lane.open + excluded.open,
    due_at = case when lane.open = 0 then excluded.due_at else lane.due_at end
)
select count(*)::integer as added from added`

/** The body of a webhook without its first field, `event`, whose value is the endpoint's to choose. */
const restOfBody = ({ instanceId, at, data }: PublicEvent) =>
  JSON.stringify({ instance_uuid: instanceId, timestamp: offsetTime(at), data }).slice(1)

/** Makes durable deliveries of public events. Calls `onAdded` when there is something to deliver. */
export const createFanOut =
  (pool: Pool | PoolClient, onAdded: () => void) => async (events: readonly PublicEvent[]) => {
    const told = events.map((event, n) => ({
      n,
      id: event.id,
      type: event.type,
      tenant_id: event.tenantId,
      instance_id: event.instanceId,
      key: event.key,
      correlation: event.correlation,
      causation: event.causation,
      rest: restOfBody(event),
    }))
    const { rows } = await pool.query<{ added: number }>({
      name: 'webhook-fan-out',
      text: FAN_OUT,
      values: [JSON.stringify(told)],
    })
    if ((rows[0]?.added ?? 0) > 0) onAdded()
  }
