/**
 * The delivery queue. A lane is what goes to one endpoint about one conversation (or about an instance as a whole):
 * its deliveries go out one after the other. `open` counts those still to be delivered.
 */
export const webhookQueue = `
create table webhook_delivery (
  id bigint generated always as identity primary key,
  event_id uuid not null,
  endpoint_id uuid not null,
  tenant_id uuid not null,
  instance_id uuid not null,
  key uuid not null,
  event text not null,
  body text not null,
  correlation text not null,
  causation text not null,
  state text not null default 'open' check (state in ('open', 'delivered', 'dead')),
  attempts integer not null default 0,
  -- Attempts made before the present run of the retry schedule: a redelivery by hand starts it anew.
  retries_from integer not null default 0,
  next_attempt_at timestamptz,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  unique (event_id, endpoint_id)
);
create index on webhook_delivery (endpoint_id, key, id) where state = 'open';
create index on webhook_delivery (instance_id, id);
create index on webhook_delivery (finished_at) where state <> 'open';

create table webhook_attempt (
  delivery_id bigint not null references webhook_delivery on delete cascade,
  number integer not null,
  at timestamptz not null,
  duration_ms integer not null,
  status integer,
  error text,
  response text,
  primary key (delivery_id, number)
);

create table webhook_lane (
  endpoint_id uuid not null,
  key uuid not null,
  open integer not null,
  due_at timestamptz not null,
  lease text,
  lease_until timestamptz,
  primary key (endpoint_id, key)
) with (fillfactor = 70);
create index on webhook_lane (endpoint_id, due_at) where open > 0;
`

/** Lists of the few that could not be delivered. */
export const deadDeliveries = `create index on webhook_delivery (instance_id, id) where state = 'dead';`

/**
 * To find what was told of a conversation, and to know it when it comes late: up to which place in the log what is told
 * of a key was erased.
 */
export const erasedDeliveries = `
alter table webhook_delivery add column position bigint;
create index on webhook_delivery (key);

create table webhook_erased (
  key uuid primary key,
  position bigint not null
);
`

/**
 * What is delivered again is a delivery of its own, once for each run of a redelivery. `position` is how far in the log a
 * run has come; it goes as far as `up_to`.
 */
export const redeliveries = `
alter table webhook_delivery add column redelivery uuid;
alter table webhook_delivery drop constraint webhook_delivery_event_id_endpoint_id_key;
create unique index on webhook_delivery (event_id, endpoint_id) where redelivery is null;
create unique index on webhook_delivery (redelivery, event_id) where redelivery is not null;
create index on webhook_delivery (endpoint_id) where redelivery is not null and state = 'open';

create table webhook_redelivery (
  id uuid primary key,
  endpoint_id uuid not null,
  since timestamptz not null,
  until timestamptz,
  conversation_id uuid,
  position bigint not null,
  up_to bigint not null,
  started_at timestamptz not null default now(),
  finished_at timestamptz
);
create unique index on webhook_redelivery (endpoint_id, since, until, conversation_id) nulls not distinct
  where finished_at is null;
`

/** The unique ones are of one redelivery each. */
export const deliveriesOfEvent = `create index on webhook_delivery (event_id) where redelivery is not null;`
