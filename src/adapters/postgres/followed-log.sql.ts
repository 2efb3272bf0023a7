/** Which log the checkpoints of this database are positions of, and how far a copy into its log has come. */
export const followedLog = `
-- Known by its first event, which is null while the log is empty.
create table followed_log (
  one boolean primary key default true check (one),
  kind text not null,
  stream text,
  event_id uuid,
  position bigint
);

-- There while the copy of a log is not finished. Copies of other logs begin with another event.
create table log_copy (
  one boolean primary key default true check (one),
  event_id uuid not null,
  source_position bigint not null,
  target_position bigint not null,
  events bigint not null
);
`
