/** Channel that tells which key has another state, or is gone; the payload is its id and its owner. */
export const KEY_CHANGED = 'zapini_sealing_key'

/**
 * Keys of what is personal in the log. The secret of a key is made of its seed and, where there was an encryption key
 * when it was made, of that. Of a destroyed one the row stays, so that it can be told from one that was lost.
 */
export const sealingKeys = `
create table sealing_key (
  id uuid primary key,
  owner uuid not null,
  seed bytea,
  state text not null default 'in use' check (state in ('in use', 'retired', 'destroyed')),
  master boolean not null,
  created_at timestamptz not null default now(),
  destroyed_at timestamptz,
  check ((seed is null) = (state = 'destroyed'))
);
create index sealing_key_owner on sealing_key (owner);
create unique index sealing_key_in_use on sealing_key (owner) where state = 'in use';

-- Whoever changes it, every node hears of it.
create function tell_sealing_key() returns trigger language plpgsql as $$
begin
  perform pg_notify('${KEY_CHANGED}', old.id || ' ' || old.owner);
  return null;
end $$;
create trigger sealing_key_changed after update on sealing_key
  for each row when (old.state is distinct from new.state) execute function tell_sealing_key();
create trigger sealing_key_deleted after delete on sealing_key
  for each row execute function tell_sealing_key();
`
