import { sql, type Kysely } from 'kysely'
import type { Database } from './database.ts'
import { AWAITED, SINCE } from './messages.ts'

export type MessagePage = {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly beforeNumber?: number | undefined
  readonly afterNumber?: number | undefined
  readonly limit: number
}

/** Where the message of a number is, or would be; 0 is before them all. */
const placeOfNumber = async (db: Kysely<Database>, conversationId: string, number: number | undefined) => {
  if (number === undefined || number === 0) return undefined
  const row = await db
    .selectFrom('message')
    .select('place')
    .where('number', '=', number)
    .where('conversation_id', '=', conversationId)
    .executeTakeFirst()
  return { place: row?.place ?? SINCE, number }
}

/** One page of a conversation, oldest first: the newest before a place, or the first after one. */
export const messagesOfConversation = async (
  db: Kysely<Database>,
  conversationId: string,
  page: MessagePage,
) => {
  const forward = page.afterNumber !== undefined && page.beforeNumber === undefined
  let query = db
    .selectFrom('message')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .where('kind', '!=', AWAITED)
  if (page.from !== undefined) query = query.where('at', '>=', page.from)
  if (page.to !== undefined) query = query.where('at', '<=', page.to)
  const [before, after] = await Promise.all(
    [page.beforeNumber, page.afterNumber].map((number) => placeOfNumber(db, conversationId, number)),
  )
  if (before) query = query.where(sql<boolean>`(place, number) < (${before.place}, ${before.number})`)
  if (after) query = query.where(sql<boolean>`(place, number) > (${after.place}, ${after.number})`)
  const rows = await query
    .orderBy('place', forward ? 'asc' : 'desc')
    .orderBy('number', forward ? 'asc' : 'desc')
    .limit(page.limit + 1)
    .execute()
  const hasMore = rows.length > page.limit
  const kept = rows.slice(0, page.limit)
  return { messages: forward ? kept : kept.reverse(), hasMore }
}

/** The newest messages that others wrote in a conversation after one and up to another, by their numbers. */
export const incomingBetween = async (
  db: Kysely<Database>,
  conversationId: string,
  { after, upTo, limit }: { readonly after: number; readonly upTo: number; readonly limit: number },
) => {
  const rows = await db
    .selectFrom('message')
    .innerJoin('conversation', 'conversation.id', 'message.conversation_id')
    .select(['message.whatsapp_id', 'message.sender_jid', 'conversation.chat'])
    .where('message.conversation_id', '=', conversationId)
    .where('message.number', '>', after)
    .where('message.number', '<=', upTo)
    .where('message.direction', '=', 'incoming')
    .where('message.kind', '!=', AWAITED)
    // What was said before the pairing has been read, or not, on the phone.
    .where('message.place', '=', SINCE)
    .orderBy('message.number', 'desc')
    .limit(limit)
    .execute()
  return rows.map(({ whatsapp_id: whatsappId, sender_jid, chat }) => ({
    whatsappId,
    chat,
    sender: sender_jid ?? chat,
  }))
}

/** Whether somebody wrote in a conversation before a message. */
export const hasEarlierIncoming = async (db: Kysely<Database>, conversationId: string, number: number) => {
  const earlier = await db
    .selectFrom('message')
    .select('id')
    .where('conversation_id', '=', conversationId)
    .where('number', '<', number)
    .where('direction', '=', 'incoming')
    .limit(1)
    .executeTakeFirst()
  return earlier !== undefined
}

/** Which of some messages were taken back. */
export const takenBack = async (db: Kysely<Database>, ids: readonly string[]) => {
  const rows =
    ids.length === 0
      ? []
      : await db
          .selectFrom('message')
          .select('id')
          .where('id', 'in', [...new Set(ids)])
          .where('deleted_at', 'is not', null)
          .execute()
  const found = new Set(rows.map(({ id }) => id))
  return (id: string) => found.has(id)
}
