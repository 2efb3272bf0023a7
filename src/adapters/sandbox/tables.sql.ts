/** The simulated phones, and what reached "WhatsApp" through them. A message that comes again is counted, not added. */
export const sandboxTables = `
create table sandbox_phone (
  instance_id uuid primary key,
  paired boolean not null default false,
  phone_number text,
  profile_name text,
  qr text not null
);

create table sandbox_outbox (
  instance_id uuid not null,
  whatsapp_id text not null,
  seq bigint generated always as identity,
  chat text not null,
  content json not null,
  at timestamptz not null,
  times_received integer not null default 1,
  primary key (instance_id, whatsapp_id)
);
create index sandbox_outbox_in_order on sandbox_outbox (instance_id, seq);
`

/** The groups of the simulated phones, with the members of each; an instance that left is not among them. */
export const sandboxGroupTables = `
create table sandbox_group (
  instance_id uuid not null,
  jid text not null,
  subject text,
  description text,
  owner text not null,
  participants json not null,
  invite_code text not null,
  primary key (instance_id, jid)
);
`
