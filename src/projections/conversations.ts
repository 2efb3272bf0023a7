import { sql, type Kysely, type SelectQueryBuilder } from 'kysely'
import type { AutomationState } from '../domain/conversation.ts'
import { idOfStream } from '../domain/decider.ts'
import { contactId } from '../domain/ids.ts'
import { isSignal, textOf } from '../domain/message.ts'
import type { Actor } from '../domain/metadata.ts'
import { isGroup, numberOf } from '../domain/values.ts'
import { contactsLike } from './contacts.ts'
import type { Database } from './database.ts'
import { projection, remove, update, type Change, type RecordedOf } from './projection.ts'
import { likePattern, searched, searchText } from './search-text.ts'

export type ConversationRow = {
  id: string
  number: number
  tenant_id: string
  instance_id: string
  /** The person at the other side as a contact; nobody for a group. */
  contact_id: string
  /** JID of the chat. */
  chat: string
  contact_number: string
  /** A person's push name, or a group's subject. */
  name: string | null
  /** Folded text that a search looks into. */
  search: string
  is_group: boolean
  last_message: string | null
  last_message_kind: string | null
  last_message_number: number | null
  last_message_at: string | null
  last_incoming_number: number | null
  unread_count: number
  archived_at: string | null
  automation: AutomationState
  paused_at: string | null
  paused_by: Actor | null
  pause_reason: string | null
  created_at: string
}

type Body = RecordedOf<'MessageQueued'> | RecordedOf<'MessageReceived'> | RecordedOf<'MessageSentFromPhone'>
type Stored = { readonly stream: string }

const firstRow = (
  id: string,
  tenantId: string,
  data: { number: number; instanceId: string; chat: string; at: string },
): ConversationRow => ({
  id,
  number: data.number,
  tenant_id: tenantId,
  instance_id: data.instanceId,
  contact_id: contactId(data.instanceId, data.chat),
  chat: data.chat,
  contact_number: numberOf(data.chat),
  name: null,
  search: searchText([], numberOf(data.chat)),
  is_group: isGroup(data.chat),
  last_message: null,
  last_message_kind: null,
  last_message_number: null,
  last_message_at: null,
  last_incoming_number: null,
  unread_count: 0,
  archived_at: null,
  automation: 'none',
  paused_at: null,
  paused_by: null,
  pause_reason: null,
  created_at: data.at,
})

/** A conversation that was deleted while a message was on its way comes back with that message. */
const withMessage = (
  { data, meta }: Body,
  change: (row: ConversationRow) => Partial<ConversationRow> = () => ({}),
): Change<ConversationRow>[] => {
  if (isSignal(data.content)) return []
  const { conversationId: id, conversationNumber, instanceId, chat, at } = data
  const evolve = (
    row = firstRow(id, meta.tenant, { number: conversationNumber, instanceId, chat, at }),
  ): ConversationRow => ({
    ...row,
    ...change(row),
    ...(data.number > (row.last_message_number ?? 0) && {
      last_message: textOf(data.content),
      last_message_kind: data.content.kind,
      last_message_number: data.number,
      last_message_at: data.at,
    }),
  })
  return [{ key: id, evolve }]
}

const change = ({ stream }: Stored, columns: Partial<ConversationRow>) => [
  update<ConversationRow>(idOfStream(stream), (row) => ({ ...row, ...columns })),
]

/** What the list shows of the last message, when that message changes. */
const changeOfLast = (
  { data }: RecordedOf<'MessageEdited'> | RecordedOf<'MessageDeleted'>,
  text: string | null,
) => [
  update<ConversationRow>(data.conversationId, (row) =>
    row.last_message_number === data.number ? { ...row, last_message: text } : row,
  ),
]

const notPaused = { paused_at: null, paused_by: null, pause_reason: null }

/** The order of lists, and what their filters look at: rows are found, skipped and counted without reading the table. */
const listed =
  'last_message_at desc nulls last, number desc) include (id, contact_id, instance_id, is_group, unread_count, search'

/** Every chat of every instance, with what a list of chats shows. */
export const conversations = projection<ConversationRow>({
  name: 'conversation',
  version: 3,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    contact_id: 'uuid not null',
    chat: 'text not null',
    contact_number: 'text not null',
    name: 'text',
    search: 'text not null',
    is_group: 'boolean not null',
    last_message: 'text',
    last_message_kind: 'text',
    last_message_number: 'bigint',
    last_message_at: 'timestamptz',
    last_incoming_number: 'bigint',
    unread_count: 'integer not null',
    archived_at: 'timestamptz',
    automation: 'text not null',
    paused_at: 'timestamptz',
    paused_by: 'jsonb',
    pause_reason: 'text',
    created_at: 'timestamptz not null',
  },
  // Each message changes a row. An index alone answers as long as few changes wait for the vacuum.
  storage: 'autovacuum_vacuum_scale_factor = 0.01',
  indexes: [
    `(tenant_id, ${listed}) where archived_at is null`,
    `(tenant_id, instance_id, ${listed}) where archived_at is null`,
    `(tenant_id, ${listed}) where archived_at is null and unread_count > 0`,
    `(tenant_id, ${listed}) where archived_at is not null`,
    'using gin (tenant_id, search gin_trgm_ops)',
    // For counting them: many rows share an entry, so it is small.
    '(tenant_id, instance_id, is_group, archived_at)',
    '(contact_id)',
    '(number)',
  ],
  on: {
    ConversationStarted: ({ stream, data, meta }) => {
      const id = idOfStream(stream)
      const automation = data.automated ? 'active' : 'none'
      const evolve = (row = firstRow(id, meta.tenant, data)): ConversationRow => ({ ...row, automation })
      return [{ key: id, evolve }]
    },
    ConversationRead: ({ stream, data }) => [
      update<ConversationRow>(idOfStream(stream), (row) =>
        (row.last_incoming_number ?? 0) <= data.upTo ? { ...row, unread_count: 0 } : row,
      ),
    ],
    ConversationArchived: (event) => change(event, { archived_at: event.data.at }),
    ConversationRestored: (event) => change(event, { archived_at: null }),
    ConversationDeleted: ({ stream }) => [remove<ConversationRow>(idOfStream(stream))],
    AutomationPaused: (event) =>
      change(event, {
        automation: 'paused',
        paused_at: event.data.at,
        paused_by: event.meta.actor,
        pause_reason: event.data.reason ?? null,
      }),
    AutomationResumed: (event) => change(event, { automation: 'active', ...notPaused }),
    MessageQueued: (event) => withMessage(event),
    MessageSentFromPhone: (event) => withMessage(event),
    MessageReceived: (event) =>
      withMessage(event, (row) => {
        const name = (isGroup(event.data.chat) ? event.data.chatName : event.data.senderName) ?? row.name
        return {
          name,
          ...(name !== row.name && { search: searchText([name], row.contact_number) }),
          unread_count: row.unread_count + 1,
          last_incoming_number: event.data.number,
        }
      }),
    MessageEdited: (event) => changeOfLast(event, event.data.text),
    MessageDeleted: (event) => changeOfLast(event, null),
  },
})

export type ConversationFilter = {
  readonly tenantId: string
  readonly instanceId?: string | undefined
  readonly archived: boolean
  readonly unread?: boolean | undefined
  readonly search?: string | undefined
  readonly isGroup?: boolean | undefined
  /** Any of these tags. */
  readonly tagIds?: readonly string[] | undefined
  readonly untagged?: boolean | undefined
  readonly page: number
  readonly perPage: number
}

type Found = { readonly pattern: string; readonly people: readonly string[] }

/** Contacts that a search finds; if they are few they are named one by one, and indexes find their chats. */
const NAMED_MAX = 1000
const find = async (db: Kysely<Database>, { tenantId, search }: ConversationFilter): Promise<Found> => {
  const pattern = likePattern(searched(search ?? ''))
  const people = await contactsLike(db, tenantId, pattern)
    .limit(NAMED_MAX + 1)
    .execute()
  return { pattern, people: people.map(({ id }) => id) }
}

type Query = SelectQueryBuilder<Database, 'conversation', object>

/** Those with the text in the name or number of the chat, or with a contact whom the text finds. */
const whereFound =
  (db: Kysely<Database>, tenantId: string, { pattern, people }: Found) =>
  (query: Query) => {
    const inText = sql<boolean>`conversation.search like ${pattern}`
    if (people.length === 0) return query.where(inText)
    if (people.length <= NAMED_MAX)
      return query.where(({ or, eb }) =>
        or([inText, eb('conversation.contact_id', '=', sql<string>`any(${[...people]}::uuid[])`)]),
      )
    return query
      .leftJoin(contactsLike(db, tenantId, pattern).as('found'), 'found.id', 'conversation.contact_id')
      .where(({ or, eb }) => or([inText, eb('found.id', 'is not', null)]))
  }

const matching = (db: Kysely<Database>, filter: ConversationFilter, found: Found | undefined) => {
  let query = db
    .selectFrom('conversation')
    .where('conversation.tenant_id', '=', filter.tenantId)
    .where('archived_at', filter.archived ? 'is not' : 'is', null)
  if (filter.instanceId !== undefined) query = query.where('instance_id', '=', filter.instanceId)
  if (filter.isGroup !== undefined) query = query.where('is_group', '=', filter.isGroup)
  if (filter.unread !== undefined) query = query.where('unread_count', filter.unread ? '>' : '=', 0)
  if (found) query = query.$call(whereFound(db, filter.tenantId, found))
  const { tagIds, untagged } = filter
  if (tagIds !== undefined || untagged !== undefined)
    query = query.where(({ exists, not, selectFrom }) => {
      const tags = selectFrom('conversation_tag')
        .select('tag_id')
        .whereRef('conversation_tag.conversation_id', '=', 'conversation.id')
      if (tagIds !== undefined)
        return exists(tags.where('tag_id', '=', sql<string>`any(${[...tagIds]}::uuid[])`))
      const ofTenant = tags.where('conversation_tag.tenant_id', '=', filter.tenantId)
      return untagged ? not(exists(ofTenant)) : exists(ofTenant)
    })
  return query
}

/**
 * One page of conversations, the one with the newest message first, and how many there are in all. Both look at an
 * index only; the page then fetches its rows by their ids.
 */
export const listConversations = async (db: Kysely<Database>, filter: ConversationFilter) => {
  const query = matching(db, filter, filter.search?.trim() ? await find(db, filter) : undefined)
  const page = query
    .select('conversation.id')
    .orderBy('last_message_at', (order) => order.desc().nullsLast())
    .orderBy('number', 'desc')
    .limit(filter.perPage)
    .offset((filter.page - 1) * filter.perPage)
  const [rows, count] = await Promise.all([
    db
      .selectFrom(page.as('page'))
      .innerJoin('conversation', 'conversation.id', 'page.id')
      .selectAll('conversation')
      .orderBy('last_message_at', (order) => order.desc().nullsLast())
      .orderBy('number', 'desc')
      .execute(),
    query.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
  ])
  return { rows, total: count.total }
}

/** How many chats an instance has. */
export const countConversations = async (
  db: Kysely<Database>,
  instance: { readonly id: string; readonly tenant_id: string },
) => {
  const { count } = await db
    .selectFrom('conversation')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('tenant_id', '=', instance.tenant_id)
    .where('instance_id', '=', instance.id)
    .executeTakeFirstOrThrow()
  return count
}
