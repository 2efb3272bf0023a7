/**
 * What speaks for paired phones, and what came in and was not told yet. Everything is encrypted but the kinds of keys; ids
 * are kept as keyed hashes. `opening` names the store that may write, and changes with each one that is opened.
 */
export const whatsappTables = `
create table whatsapp_session (
  instance_id uuid primary key,
  term bigint not null,
  opening uuid not null,
  creds bytea
);

create table whatsapp_key (
  instance_id uuid not null,
  kind text not null,
  id bytea not null,
  value bytea not null,
  primary key (instance_id, kind, id)
) with (fillfactor = 70);

create table whatsapp_inbound (
  instance_id uuid not null,
  ciphertext bytea not null,
  seq bigint generated always as identity,
  message bytea,
  plumbing boolean not null,
  value bytea not null,
  at timestamptz not null default now(),
  primary key (instance_id, ciphertext)
);
create index whatsapp_inbound_in_order on whatsapp_inbound (instance_id, seq) where not plumbing;
create index whatsapp_inbound_by_message on whatsapp_inbound (instance_id, message);
create index whatsapp_inbound_by_age on whatsapp_inbound (at);

create table whatsapp_message (
  instance_id uuid not null,
  id bytea not null,
  value bytea not null,
  at timestamptz not null default now(),
  primary key (instance_id, id)
);
create index whatsapp_message_by_age on whatsapp_message (at);

-- What is encrypted does not get smaller.
alter table whatsapp_session alter column creds set storage external;
alter table whatsapp_key alter column value set storage external;
alter table whatsapp_inbound alter column value set storage external;
alter table whatsapp_message alter column value set storage external;

-- Tells the key that all of this is encrypted with from any other one.
create table encryption_key (
  one boolean primary key default true check (one),
  fingerprint bytea not null
);
`
