import type { Pool } from 'pg'
import { firstTenantId } from '../src/domain/ids.ts'

/** What calls name in a large world: a conversation with many messages, tags that many and few carry, and so on. */
type Landmarks = {
  /** The instance with the most conversations. */
  readonly instance: string
  /** The one with the fewest. */
  readonly smallInstance: string
  /** The conversation with the most messages, and its number. */
  readonly busy: string
  readonly busyNumber: number
  /** A message in its middle, and when it was. */
  readonly message: number
  readonly at: string
  readonly later: string
  /** What somebody is called, and the end of somebody's number. */
  readonly name: string
  readonly digits: string
  /** From the one on most conversations to the one on fewest. */
  readonly tags: readonly string[]
  readonly conversations: number
  /** Number of a contact. */
  readonly contact: number
  readonly alias: string
  /** Days of the last month. */
  readonly monthAgo: string
  readonly today: string
}

const landmarks = `
with busy as (
  select conversation_id as id, count(*) from message where tenant_id = $1 group by 1 order by 2 desc, 1 limit 1
), middle as (
  select number, at from message where conversation_id = (select id from busy) order by number
  offset (select count / 2 from busy) limit 1
)
select b.id as busy, c.number as "busyNumber", m.number as message, m.at, m.at + interval '2 days' as later,
  (select name from conversation where tenant_id = $1 and not is_group and name is not null order by number limit 1),
  right(c.contact_number, 8) as digits,
  (select id from instance where tenant_id = $1 order by number limit 1) as instance,
  (select id from instance where tenant_id = $1 order by number desc limit 1) as "smallInstance",
  (select array_agg(id order by name) from tag where tenant_id = $1)::text[] as tags,
  (select count(*) from conversation where tenant_id = $1) as conversations,
  (select min(number) from contact where tenant_id = $1) as contact,
  (select min(aliases[1]) from conversation where tenant_id = $1) as alias,
  to_char(c.last_message_at - interval '30 days', 'YYYY-MM-DD') as "monthAgo",
  to_char(c.last_message_at, 'YYYY-MM-DD') as today
from busy b cross join middle m join conversation c using (id)`

export const findLandmarks = async (pool: Pool): Promise<Landmarks> => {
  const { rows } = await pool.query<Landmarks>(landmarks, [firstTenantId])
  const [found] = rows
  if (!found) throw new Error('There is no large world here.')
  return found
}

export type Call = { readonly name: string; readonly path: (at: Landmarks) => string }
type Query = (at: Landmarks) => string

const list = (name: string, query: Query = () => ''): Call => ({
  name: `list, ${name}`,
  path: (at) => `/conversations${query(at)}`,
})
const messages = (name: string, query: Query = () => ''): Call => ({
  name: `messages, ${name}`,
  path: (at) => `/conversations/${at.busy}/messages${query(at)}`,
})
const search = (name: string, query: Query): Call => ({
  name: `search, ${name}`,
  path: (at) => `/messages/search?q=${query(at)}`,
})
const call = (name: string, path: Query): Call => ({ name, path })

const common = ({ tags }: Landmarks) => tags[0] ?? ''
const second = ({ tags }: Landmarks) => tags[1] ?? ''
const rare = ({ tags }: Landmarks) => tags.at(-1) ?? ''
const deepPage = ({ conversations }: Landmarks) => Math.floor((conversations * 0.9) / 100)

/** Every call that reads a list, with the filters that a screen has. */
export const listCalls: readonly Call[] = [
  list('first page'),
  list('page of 100', () => '?per_page=100'),
  list('deep page', (at) => `?per_page=100&page=${deepPage(at)}`),
  list('with tags', () => '?include_tags=true'),
  list('for a screen', () => '?format=chat'),
  list('of an instance', ({ instance }) => `?instance_id=${instance}`),
  list('deep page of an instance', (at) => `?per_page=50&page=${deepPage(at)}&instance_id=${at.instance}`),
  list('unread', () => '?unread=true'),
  list('unread of an instance', ({ instance }) => `?unread=true&instance_id=${instance}`),
  list('unread groups', () => '?unread=true&is_group=true'),
  list('groups', () => '?is_group=true'),
  list('people of an instance', ({ instance }) => `?is_group=false&instance_id=${instance}`),
  list('archived', () => '/archived'),
  list('archived, found by name', () => '/archived?search=silva'),
  list('a common tag', (at) => `?tag_id=${common(at)}`),
  list('a rare tag', (at) => `?tag_id=${rare(at)}`),
  list('either of two tags', (at) => `?tag_ids=${second(at)},${rare(at)}`),
  list('unread with a tag', (at) => `?unread=true&tag_id=${common(at)}`),
  list('untagged', () => '?untagged=true'),
  list(
    'untagged of an instance',
    ({ instance }) => `?untagged=true&instance_id=${instance}&include_tags=true`,
  ),
  list('found by a common name', () => '?search=Maria'),
  list('found by a full name', ({ name }) => `?search=${encodeURIComponent(name.toUpperCase())}`),
  list('found by a name with accents', () => '?search=Concei%C3%A7%C3%A3o'),
  list('found by a name that nobody has', () => '?search=xylophone'),
  list('found by a number', ({ digits }) => `?search=${digits}`),
  list('found by the beginning of most numbers', () => '?search=%2B55%2011'),
  list('found by one letter', () => '?search=a'),
  list('found by two letters', () => '?search=jo'),
  list('found by two digits', () => '?search=55'),
  list(
    'found by name, a tag, an instance',
    (at) => `?search=silva&tag_id=${common(at)}&instance_id=${at.instance}`,
  ),
  list('found by what a contact is called', () => '?search=shop%20123'),
  call('contacts, first page', () => '/contacts'),
  call('contacts, deep page', (at) => `/contacts?per_page=100&page=${Math.floor(deepPage(at) * 0.7)}`),
  call('contacts of an instance', ({ instance }) => `/contacts?instance_id=${instance}`),
  call(
    'contacts, deep page of an instance',
    (at) => `/contacts?per_page=50&page=${deepPage(at)}&instance_id=${at.instance}`,
  ),
  call('contacts, found by a common name', () => '/contacts?search=maria'),
  call('contacts, found by a full name', ({ name }) => `/contacts?search=${encodeURIComponent(name)}`),
  call('contacts, found by a number', ({ digits }) => `/contacts?search=${digits}`),
  call('contacts, found by one letter', () => '/contacts?search=a'),
  call('one contact by number', ({ contact }) => `/contacts/${contact}`),
  call('chat, first page', () => '/chat/conversations'),
  call('one conversation', ({ busy }) => `/conversations/${busy}`),
  call('one conversation by number', ({ busyNumber }) => `/conversations/${busyNumber}`),
  call('one conversation by the id of one that is part of it', ({ alias }) => `/conversations/${alias}`),
  messages('newest'),
  messages('newest, 100 for a screen', () => '?limit=100&format=chat'),
  messages('before one', ({ message }) => `?before_id=${message}`),
  messages('after one', ({ message }) => `?after_id=${message}`),
  messages('of two days', ({ at, later }) => `?from=${at}&to=${later}`),
  messages('up to a day', ({ at }) => `?to=${at}`),
  messages('since a day', ({ at }) => `?from=${at}`),
  call('messages, for a screen', ({ busy }) => `/chat/conversations/${busy}/messages`),
  search('a rare word', () => 'guitar'),
  search('a common word', () => 'order'),
  search('a common word in an instance', ({ instance }) => `order&instance_id=${instance}`),
  search('a common word in a conversation', ({ busy }) => `order&conversation_id=${busy}`),
  search('a number', ({ message }) => String(message)),
  search('a common phrase, without a word', () => '%22your order%22 -green'),
  search('the beginning of words', () => 'invo'),
  search('a rare word of two days', ({ at, later }) => `guitar&from=${at}&to=${later}`),
  search('two words that never meet', () => 'guitar xylophone'),
  call('deliveries', ({ instance }) => `/instances/${instance}/webhook/deliveries`),
  call(
    'deliveries of a small instance',
    ({ smallInstance }) => `/instances/${smallInstance}/webhook/deliveries`,
  ),
  call('deliveries, dead', ({ instance }) => `/instances/${instance}/webhook/deliveries?state=dead`),
  call('tags', () => '/tags'),
  call('one tag', (at) => `/tags/${common(at)}`),
  call('instances', () => '/instances'),
  call('one instance', ({ instance }) => `/instances/${instance}`),
  call('stats of an instance', ({ instance }) => `/instances/${instance}/stats`),
  call('stats by day', ({ monthAgo, today }) => `/stats?from=${monthAgo}&to=${today}`),
  call(
    'stats by day of an instance',
    ({ instance, monthAgo, today }) => `/stats?instance_id=${instance}&from=${monthAgo}&to=${today}`,
  ),
  call('users', () => '/users'),
]
