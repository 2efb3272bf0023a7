// What this service makes of the events: how many messages each conversation has on each day. Put your own here.

export const tables = `
create table if not exists messages_per_day (
  tenant_id uuid not null,
  conversation uuid not null,
  day date not null,
  received integer not null,
  sent integer not null,
  primary key (tenant_id, conversation, day)
)`

/** The topic that holds the events wanted, without its prefix. */
export const topic = 'messages'

/** Adds events to what was counted before. Each is told here once: `subscriber.mjs` sees to that. */
export const apply = async (client, events) => {
  const counted = events
    // Other types, and those that Zapini may get one day, mean nothing here.
    .filter(({ type }) => type === 'message.received' || type === 'message.sent')
    .map(({ tenant_id, key, timestamp, type }) => ({ tenant_id, key, timestamp, type }))
  if (counted.length === 0) return
  await client.query(
    `insert into messages_per_day as known (tenant_id, conversation, day, received, sent)
     select tenant_id, key, (timestamp at time zone 'UTC')::date,
            count(*) filter (where type = 'message.received'),
            count(*) filter (where type = 'message.sent')
     from json_to_recordset($1) as event(tenant_id uuid, key uuid, timestamp timestamptz, type text)
     group by 1, 2, 3
     order by 1, 2, 3
     on conflict (tenant_id, conversation, day) do update set
       received = known.received + excluded.received,
       sent = known.sent + excluded.sent`,
    [JSON.stringify(counted)],
  )
}
