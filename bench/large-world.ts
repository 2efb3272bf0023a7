import type { Pool, PoolClient } from 'pg'
import { foldText } from '../src/domain/fold-text.ts'
import { firstTenantId } from '../src/domain/ids.ts'
import { wordsIn } from '../src/domain/words.ts'
import { vectorOf } from '../src/projections/message-search.ts'
import { firstNames, lastNames, RARE_WORD, tagNames, texts } from './large-world-words.ts'

/** Messages inserted by one statement. */
const PORTION = 50_000
/** How much smaller the second tenant is. */
const NEIGHBOUR = 10
const TAGGED_SHARE = 0.2

export type WorldSize = { readonly conversations: number; readonly messages: number }
export const LARGE: WorldSize = { conversations: 100_000, messages: 1_000_000 }

type Tenant = {
  readonly id: string
  readonly size: WorldSize
  /** Numbers of conversations and messages that others have. */
  readonly conversationsBefore: number
  readonly messagesBefore: number
  /** The time of the newest message; the oldest is a year older. */
  readonly until: string
}

const tenants = (size: WorldSize, until: string): readonly Tenant[] => [
  {
    id: '0190d0a0-0000-7000-8000-00000000beef',
    size: { conversations: size.conversations / NEIGHBOUR, messages: size.messages / NEIGHBOUR },
    conversationsBefore: 0,
    messagesBefore: 0,
    until,
  },
  {
    id: firstTenantId,
    size,
    conversationsBefore: size.conversations / NEIGHBOUR,
    messagesBefore: size.messages / NEIGHBOUR,
    until,
  },
]

/**
 * Ids, shares and the order of things follow from numbers, so that every load makes the same world. `part` is
 * somewhere between 0 and 1, independent for each salt.
 */
const idOf = (kind: string, n: string) => `md5('${kind} ' || $1::uuid || ' ' || ${n})::uuid`
const part = (n: string, salt: number) => `((hashint8extended(${n}, ${salt}) & 4294967295) / 4294967296.0)`
const oneOf = (list: string, n: string, salt: number) =>
  `(${list})[1 + floor(cardinality(${list}) * ${part(n, salt)})::integer]`

/** Three, the first with six tenths of the conversations. */
const instances = `
insert into instance (id, number, tenant_id, name, provider, hook_secret, imports_past, status, wanted, phone_number, created_at)
select ${idOf('instance', 'n')}, $2 + n, $1, 'Instance ' || n, 'sandbox', 'secret', false, 'disconnected', false,
  '55119' || lpad(n::text, 8, '0'), $3::timestamptz - interval '1 year'
from generate_series(1, 3) n`

const tags = `
insert into tag (id, tenant_id, name, folded_name, color, created_at, updated_at)
select ${idOf('tag', 'n')}, $1, name, folded, '#ef4444', $4, $4
from unnest($2::text[], $3::text[]) with ordinality t(name, folded, n)`

/**
 * What is fixed about each conversation: every tenth is a group, every tenth was two once, a quarter of the people have no name, the first names
 * of the lists are frequent ones.
 */
const chats = `
create temporary table chat as
select n, $2::bigint + n as number, ${idOf('conversation', 'n')} as id, ${idOf('contact', 'n')} as contact_id,
  ${idOf('instance', `case when ${part('n', 3)} < 0.6 then 1 when ${part('n', 3)} < 0.9 then 2 else 3 end`)} as instance_id,
  is_group, digits, digits || case when is_group then '@g.us' else '@s.whatsapp.net' end as jid,
  case when is_group then 'Team ' || last when named then first || ' ' || last end as name,
  case when is_group then 'team ' || folded_last when named then folded_first || ' ' || folded_last else '' end as folded,
  ${part('n', 7)} < 0.05 as unread, ${part('n', 11)} < 0.02 as archived
from generate_series(1, $3::integer) n
cross join lateral (
  select n % 10 = 0 as is_group, ${part('n', 5)} > 0.25 as named,
    case when n % 10 = 0 then '12036304' || lpad(n::text, 10, '0')
    else '55' || ${oneOf("array['11', '11', '11', '21', '31', '41', '51', '61', '71', '81']", 'n', 13)}
      || '9' || lpad((n::bigint * 48271 % 99999989)::text, 8, '0') end as digits,
    ($4::text[])[first] as first, ($5::text[])[first] as folded_first,
    ($6::text[])[last] as last, ($7::text[])[last] as folded_last
  from (select 1 + floor(cardinality($4::text[]) * power(${part('n', 17)}, 1.5))::integer as first,
    1 + floor(cardinality($6::text[]) * power(${part('n', 19)}, 1.5))::integer as last) names
) looks`

/**
 * Each conversation has one message at least; a few have thousands. A text ends with a number of its own, and one in a
 * thousand with a word that is rare. $7 to $9: texts, their words as the search keeps them, how many those are.
 */
const messages = `
with told as materialized (
  select ${idOf('message', 'i')} as id, $2::bigint + i as number, i, c.instance_id, c.id as conversation_id, c.jid,
    c.digits, c.name, ${part('i', 29)} < 0.6 as incoming, i % 10 = 3 as has_media, i % 1000 = 0 as is_rare,
    $6::timestamptz - ($5::integer - i) * (interval '1 year' / $5::integer) as at,
    1 + floor(cardinality($7::text[]) * ${part('i', 23)})::integer as text
  from generate_series($3::integer, $4::integer) i
  join chat c on c.n = case when i <= $10::integer then i
    else 1 + floor($10 * power(${part('i', 1)}, 3)) * 7919 % $10 end::integer
), searched as (
  insert into message_search (id, tenant_id, instance_id, conversation_id, number, at, words)
  select id, $1, instance_id, conversation_id, number, at,
    concat(($8::text[])[text], format(' ''%s'':%s', i, ($9::integer[])[text] + 1),
      case when is_rare then format(' ''${RARE_WORD}'':%s', ($9::integer[])[text] + 2) end)::tsvector
  from told order by number
)
insert into message (id, number, tenant_id, instance_id, conversation_id, whatsapp_id, direction, sender_jid,
  sender_name, kind, body, media_url, mime_type, filename, details, mentions, reactions, status, imported,
  place, at, updated_at)
select id, number, $1, instance_id, conversation_id, upper(md5(id::text)),
  case when incoming then 'incoming' else 'outgoing' end, case when incoming then jid end,
  case when incoming then name end, case when has_media then 'image' else 'text' end,
  concat(($7::text[])[text], ' ', i, case when is_rare then ' ${RARE_WORD}' end),
  case when has_media then 'https://example.com/' || i end, case when has_media then 'image/jpeg' end,
  case when has_media then i || '.jpg' end, '{}', '[]',
  case when i % 50 = 0 then jsonb_build_array(jsonb_build_object('by', digits, 'name', name, 'from_me', false,
    'emoji', '👍', 'at', '2025-01-15T10:30:00.000Z')) else '[]' end,
  case when incoming then 'received' else 'read' end, false, 0, at, at
from told order by number`

const conversations = `
insert into conversation (id, number, tenant_id, instance_id, contact_id, chat, contact_number, name, search, is_group,
  last_message, last_message_kind, last_message_number, last_message_at,
  last_message_imported, last_incoming_number, unread_count,
  archived_at, automation, aliases, created_at)
select c.id, c.number, $1, c.instance_id, c.contact_id, c.jid, c.digits, c.name, concat_ws(' ', nullif(c.folded, ''), c.digits),
  c.is_group,
  m.body, m.kind, m.number, m.at, false, m.number, case when c.unread then 1 + c.n % 9 else 0 end,
  case when c.archived then m.at end, 'none', case when c.n % 10 = 5 then array[${idOf('hidden', 'c.n')}::text] end, m.at
from chat c cross join lateral
  (select * from message where conversation_id = c.id order by place desc, number desc limit 1) m
order by c.n`

/** Eight of nine people are contacts; three tenths of those were saved, under a name that says more. */
const contacts = `
insert into contact (id, number, tenant_id, instance_id, phone_number, name, push_name, business, saved, sort_name,
  search, created_at)
select contact_id, number, $1, instance_id, digits, saved, name, false,
  saved is not null, coalesce(saved_folded, nullif(folded, ''), digits),
  concat_ws(' ', saved_folded, nullif(folded, ''), digits), $2
from (
  select *, case when is_saved then concat_ws(' ', name, 'Shop', n % 1000) end as saved,
    case when is_saved then concat_ws(' ', nullif(folded, ''), 'shop', n % 1000) end as saved_folded
  from (select *, ${part('n', 47)} < 0.3 as is_saved from chat where not is_group and ${part('n', 43)} < 8.0 / 9) c
) people order by n`

/** One or two tags on each conversation that has any; the first tags are on many. */
const conversationTags = `
insert into conversation_tag (id, tenant_id, conversation_id, tag_id)
select c.id || ' ' || t.id, $1, c.id, t.id
from chat c cross join lateral (
  select distinct ${idOf('tag', `1 + floor(cardinality($2::text[]) * power(${part('c.n + k * 31', 37)}, 2))::integer`)} as id
  from generate_series(0, (c.n % 2)::integer) k
) t where ${part('c.n', 41)} < ${TAGGED_SHARE}`

/** A row for each quarter of an hour in which an instance did something: eight hours a day for a year. */
const activity = `
insert into instance_activity (id, tenant_id, instance_id, slot, queued, sent, delivered, read, played, failed,
  received, last_at)
select i.id || ' ' || to_char(slot at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), $1, i.id, slot,
  6, 5, 5, 4, 0, 1, 7, slot
from instance i cross join generate_series($2::timestamptz - interval '1 year', $2, interval '15 minutes') slot
where i.tenant_id = $1 and extract(hour from slot at time zone 'UTC') between 9 and 16
order by slot`

/** A webhook for each tenth message, delivered at once; one in two thousand is dead. */
const deliveries = `
with made as (
  insert into webhook_delivery (event_id, endpoint_id, tenant_id, instance_id, key, event, body, correlation,
    causation, state, attempts, created_at, finished_at)
  select ${idOf('public', 'number')}, instance_id, $1, instance_id, conversation_id, 'message.received',
    json_build_object('event', 'message.received', 'data', json_build_object('message', body)), 'load', 'load',
    case when number % 20000 = 0 then 'dead' else 'delivered' end, 1, at, at
  from message where tenant_id = $1 and number % 10 = 0 order by number
  returning id, state, created_at
)
insert into webhook_attempt (delivery_id, number, at, duration_ms, status)
select id, 1, created_at, 20, case when state = 'dead' then 500 else 200 end from made`

type Progress = (text: string) => void

const vectors = texts.map(vectorOf)
const places = texts.map((text) => [...wordsIn(text)].length)

const loadMessages = async (client: PoolClient, tenant: Tenant, onProgress: Progress) => {
  const { id, size, messagesBefore, until } = tenant
  for (let first = 1; first <= size.messages; first += PORTION) {
    onProgress(`${Math.round((first / size.messages) * 100)} % of ${size.messages} messages`)
    const last = Math.min(first + PORTION - 1, size.messages)
    const values = [id, messagesBefore, first, last, size.messages, until, texts, vectors, places]
    await client.query(messages, [...values, size.conversations])
  }
}

const loadTenant = async (client: PoolClient, tenant: Tenant, onProgress: Progress) => {
  const { id, size, conversationsBefore, until } = tenant
  await client.query(instances, [id, conversationsBefore, until])
  await client.query(tags, [id, tagNames, tagNames.map(foldText), until])
  const names = [firstNames, firstNames.map(foldText), lastNames, lastNames.map(foldText)]
  await client.query(chats, [id, conversationsBefore, size.conversations, ...names])
  await client.query('create unique index on chat (n)')
  await client.query('analyze chat')
  await loadMessages(client, tenant, onProgress)
  onProgress(`${size.conversations} conversations`)
  await client.query(conversations, [id])
  await client.query(contacts, [id, until])
  await client.query(conversationTags, [id, tagNames])
  await client.query(activity, [id, until])
  onProgress('deliveries')
  await client.query(deliveries, [id])
  await client.query('drop table chat')
}

/**
 * Fills the read models of an empty database as a year of traffic would have done: the first tenant's with a world of
 * the size, and those of another tenant with one of a tenth of it. Everything follows from `until`.
 */
export const loadLargeWorld = async (
  pool: Pool,
  size: WorldSize,
  until: string,
  onProgress: Progress = () => {},
) => {
  const client = await pool.connect()
  try {
    // The vacuum cannot mark rows as visible to all while their commit, or one next to it, is not on disk.
    await client.query('set synchronous_commit = on')
    await client.query('begin')
    for (const tenant of tenants(size, until)) await loadTenant(client, tenant, onProgress)
    await client.query('commit')
    onProgress('vacuum and analyze')
    await client.query('vacuum analyze')
  } finally {
    client.release(true)
  }
}
