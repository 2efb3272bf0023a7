/** Held by every batch of appends until it commits: positions become visible in order, in every process. */
const APPEND_LOCK = 7_266_001
/** Channel that every batch notifies; the payload is the position of its last event. */
export const APPENDED = 'zapini_appended'

/** The log, and the one function that writes to it. */
export const eventLog = `
create table event (
  position bigint generated always as identity primary key,
  stream text not null,
  revision integer not null,
  id uuid not null,
  type text not null,
  data json not null,
  meta json not null,
  unique (stream, revision)
);

-- Appends a batch: each append whole or not at all, none disturbed by another. One append per stream and batch.
-- Answers the end of the log before it, and the position of each append's last event, in order; null where the stream
-- was not at the expected revision. The positions of an append follow each other without gaps.
create function append_events(
  append_streams text[], expected integer[],
  appends integer[], revisions integer[], ids uuid[], types text[], datas text[], metas text[],
  notify boolean,
  out head bigint, out positions bigint[]
) language plpgsql as $$
begin
  perform pg_advisory_xact_lock(${APPEND_LOCK});
  select coalesce(max(e.position), 0) into head from event e;
  with accepted as materialized (
    select a.n as append, a.stream
    from unnest(append_streams, expected) with ordinality a(stream, expected, n)
    where a.expected = coalesce(
      (select e.revision from event e where e.stream = a.stream order by e.revision desc limit 1), -1)
  ), inserted as (
    insert into event (stream, revision, id, type, data, meta)
    select a.stream, i.revision, i.id, i.type, i.data::json, i.meta::json
    from unnest(appends, revisions, ids, types, datas, metas) with ordinality
      i(append, revision, id, type, data, meta, n)
    join accepted a on a.append = i.append
    order by i.n
    returning event.position as at, event.stream as of
  ), last as (
    select a.append, max(i.at) as at from accepted a join inserted i on i.of = a.stream group by a.append
  )
  select array_agg(l.at order by a.n) into positions
  from generate_series(1, cardinality(append_streams)) a(n) left join last l on l.append = a.n;
  if notify then perform pg_notify('${APPENDED}', (select max(p) from unnest(positions) p)::text); end if;
end $$;
`
