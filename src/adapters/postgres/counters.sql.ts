/** How often something was asked for in its present window; a crash of the database may forget it. */
export const counters = `
create unlogged table counter (
  key text primary key,
  count integer not null,
  ends_at timestamptz not null
) with (fillfactor = 50);
`
