import { sql, type Kysely } from 'kysely'
import { notFound } from '../domain/errors.ts'
import { isSerial, isUuid } from '../domain/values.ts'
import type { AutomationRow } from '../projections/automations.ts'
import type { ContactRow } from '../projections/contacts.ts'
import type { ConversationRow } from '../projections/conversations.ts'
import type { Database } from '../projections/database.ts'
import type { InstanceRow } from '../projections/instances.ts'
import type { MediaRow } from '../projections/media.ts'
import { isShown, type MessageRow } from '../projections/messages.ts'
import { mediaIdOf } from './media-view.ts'
import type { Caller } from './route.ts'

const WHATSAPP_ID = /^[\w.:=+/-]{1,128}$/

type Owned = { readonly tenant_id: string; readonly instance_id: string | null }

/** Whether a row is the caller's to see: of the tenant and, for the token of an instance, of that instance. */
const isVisible = (caller: Caller, row: Owned) =>
  row.tenant_id === caller.tenantId &&
  (caller.instanceId === undefined || caller.instanceId === row.instance_id)

const mustBeVisible = <Row extends Owned>(caller: Caller, row: Row | undefined, kind: string): Row => {
  if (!row || !isVisible(caller, row)) throw notFound(kind)
  return row
}

/** That a row is the one of this UUID or number; NOT_FOUND for what is neither. */
const isNamed = (ref: string, kind: string) => {
  if (isUuid(ref)) return sql<boolean>`id = ${ref}`
  if (isSerial(ref)) return sql<boolean>`number = ${Number(ref)}`
  throw notFound(kind)
}

/** That a row is of something that another one, of this UUID or number, became part of. */
const isNamedBefore = (ref: string) => sql<boolean>`aliases @> array[${ref.toLowerCase()}]`

/** Finds what a path names, by each of the ids that it goes by; NOT_FOUND for what is not the caller's to see. */
export const createFinders = (db: Kysely<Database>) => {
  /** By UUID or number; one that became part of another one by its own, too. */
  const conversationOf = async (caller: Caller, ref: string): Promise<ConversationRow> => {
    const query = db.selectFrom('conversation').selectAll()
    const row =
      (await query.where(isNamed(ref, 'Conversation')).executeTakeFirst()) ??
      (await query.where(isNamedBefore(ref)).executeTakeFirst())
    return mustBeVisible(caller, row, 'Conversation')
  }

  /** By UUID or number. */
  const instanceOf = async (caller: Caller, ref: string): Promise<InstanceRow> => {
    const query = db.selectFrom('instance').selectAll().where(isNamed(ref, 'Instance'))
    const row = await query.executeTakeFirst()
    return mustBeVisible(caller, row && { ...row, instance_id: row.id }, 'Instance')
  }

  const mergedConversations = (caller: Caller, refs: readonly string[]) =>
    db
      .selectFrom('conversation')
      .selectAll()
      .where('tenant_id', '=', caller.tenantId)
      .where(sql<boolean>`aliases && ${[...refs]}::text[]`)
      .execute()

  /** Several at once, by what each was named; those that are not the caller's to see are missing. */
  const conversationsOf = async (caller: Caller, refs: readonly string[]) => {
    const rows = await db
      .selectFrom('conversation')
      .selectAll()
      .where('tenant_id', '=', caller.tenantId)
      .where((or) =>
        or.or([
          or('id', '=', sql<string>`any(${refs.filter(isUuid)}::uuid[])`),
          or('number', '=', sql<number>`any(${refs.filter(isSerial).map(Number)}::bigint[])`),
        ]),
      )
      .execute()
    const named = new Map<string, ConversationRow>()
    for (const row of rows) if (isVisible(caller, row)) named.set(row.id, row).set(String(row.number), row)
    const missing = refs.map((ref) => ref.toLowerCase()).filter((ref) => !named.has(ref))
    const others = missing.length === 0 ? [] : await mergedConversations(caller, missing)
    for (const row of others)
      if (isVisible(caller, row)) for (const alias of row.aliases ?? []) named.set(alias, row)
    return (ref: string) => named.get(ref.toLowerCase())
  }

  /** By UUID or number; one that became part of another one by its own, too. */
  const contactOf = async (caller: Caller, ref: string): Promise<ContactRow> => {
    const query = db.selectFrom('contact').selectAll()
    const row =
      (await query.where(isNamed(ref, 'Contact')).executeTakeFirst()) ??
      (await query.where(isNamedBefore(ref)).executeTakeFirst())
    return mustBeVisible(caller, row, 'Contact')
  }

  /** By UUID or number. */
  const automationOf = async (caller: Caller, ref: string): Promise<AutomationRow> => {
    const query = db.selectFrom('automation').selectAll().where(isNamed(ref, 'Automation'))
    return mustBeVisible(caller, await query.executeTakeFirst(), 'Automation')
  }

  /** By UUID, number or WhatsApp id. */
  const messageOf = async (caller: Caller, ref: string): Promise<MessageRow> => {
    if (!WHATSAPP_ID.test(ref)) throw notFound('Message')
    let query = db.selectFrom('message').selectAll().where('tenant_id', '=', caller.tenantId)
    if (caller.instanceId !== undefined) query = query.where('instance_id', '=', caller.instanceId)
    const find = () => {
      if (isUuid(ref)) return query.where('id', '=', ref)
      return isSerial(ref) ? query.where('number', '=', Number(ref)) : query.where('whatsapp_id', '=', ref)
    }
    const [only, second] = (await find().limit(10).execute()).filter(isShown)
    // Two instances that are in one chat know a message by the same WhatsApp id.
    if (!only || second) throw notFound('Message')
    return only
  }

  /** By its id, with or without `media_`. */
  const mediaOf = async (caller: Caller, ref: string): Promise<MediaRow> => {
    const id = mediaIdOf(ref)
    const row = id
      ? await db.selectFrom('media').selectAll().where('id', '=', id).executeTakeFirst()
      : undefined
    return mustBeVisible(caller, row, 'Media')
  }

  return { automationOf, contactOf, conversationOf, conversationsOf, instanceOf, mediaOf, messageOf }
}
export type Finders = ReturnType<typeof createFinders>
