/** The table of the event log, as the program has it: what is held against it writes the same rows and indexes. */
export const logTable = `
create table event (
  position bigint generated always as identity primary key,
  stream text not null,
  revision integer not null,
  id uuid not null,
  type text not null,
  data json not null,
  meta json not null,
  unique (stream, revision)
)`
