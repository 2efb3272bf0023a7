/** The hash chain over the log: a row for each link, which is written once and never changed. */
export const logDigest = `
create table log_digest (
  -- How many events come before it, and how many there are up to its end: no two links follow the same one.
  before bigint primary key,
  events bigint not null unique,
  first_position bigint not null,
  last_position bigint not null,
  digest bytea not null,
  hashes bytea not null
);
-- Hashes do not get smaller.
alter table log_digest alter column hashes set storage external;
`
