import { sql, type Kysely, type SelectQueryBuilder } from 'kysely'
import { contactsLike } from './contacts.ts'
import type { Database } from './database.ts'
import { likePattern, searched } from './search-text.ts'

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
