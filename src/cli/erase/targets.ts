import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { Address } from '../../domain/address.ts'
import type { ZapiniEvent } from '../../domain/catalogue.ts'
import { Contact } from '../../domain/contact.ts'
import { Conversation } from '../../domain/conversation.ts'
import { streamOf, type Decider } from '../../domain/decider.ts'
import { addressId, contactId, conversationId } from '../../domain/ids.ts'
import { takeBack } from '../../domain/message-changes.ts'
import { Message } from '../../domain/message.ts'
import type { Context } from '../../domain/metadata.ts'
import { isSerial, isUuid, toPerson } from '../../domain/values.ts'
import type { EventStore } from '../../ports/event-store.ts'
import type { SealingKeys } from '../../ports/sealing-keys.ts'
import { findTenant, findTenantByNumber, listTenants } from '../../projections/accounts.ts'
import type { Database } from '../../projections/database.ts'
import type { Delete } from '../../write/delete.ts'
import type { Load, Transact } from '../../write/transact.ts'
import { idOfNumber } from '../find.ts'
import { linksOf, namesOf } from './names.ts'

type Parts = {
  readonly db: Kysely<Database>
  readonly store: EventStore
  readonly stored: EventStore
  readonly keys: Pick<SealingKeys, 'retire'>
  readonly load: Load
  readonly transact: Transact
  readonly deletion: Delete
}

/** Streams of what is to be deleted. */
export type Targets = {
  readonly tenant: string
  readonly conversations: readonly string[]
  readonly contacts: readonly string[]
  readonly addresses: readonly { readonly id: string; readonly instanceId: string }[]
  /** Messages in groups, of somebody who is to be forgotten. */
  readonly messages: readonly string[]
}
/** The state of what can become part of another one of its kind. */
type Mergeable = { readonly mergedInto?: { readonly id: string } }

const nothing = { conversations: [], contacts: [], addresses: [], messages: [] }

/** Finds what is named, also if it was deleted before; throws with words for people if there never was anything. */
export const createTargets = ({ db, store, stored, keys, load, transact, deletion }: Parts) => {
  const tenantOfStream = async (stream: string): Promise<string | undefined> =>
    (await stored.readStream(stream))[0]?.meta.tenant

  /** What a conversation or contact is part of now. */
  const follow = async <S extends Mergeable, E extends ZapiniEvent>(
    decider: Decider<S, E>,
    id: string,
  ): Promise<string> => {
    const { mergedInto } = (await load(decider, id)).state
    return mergedInto ? follow(decider, mergedInto.id) : id
  }

  const one = async <S extends Mergeable, E extends ZapiniEvent>(
    decider: Decider<S, E>,
    ref: string,
    tenant: string | undefined,
  ): Promise<Targets> => {
    const { category } = decider
    const table = category === 'contact' ? 'contact' : 'conversation'
    const unknown = () => new Error(`There is no ${category} ${ref}.`)
    const named = isUuid(ref) ? sql<boolean>`id = ${ref}` : sql<boolean>`number = ${Number(ref)}`
    if (!isUuid(ref) && !isSerial(ref)) throw unknown()
    const row =
      (await db.selectFrom(table).select('id').where(named).executeTakeFirst()) ??
      (await db
        .selectFrom(table)
        .select('id')
        .where(sql<boolean>`aliases @> array[${ref.toLowerCase()}]`)
        .executeTakeFirst())
    const found =
      row?.id ?? (isUuid(ref) ? ref.toLowerCase() : await idOfNumber(stored, category, Number(ref)))
    const owner = found === undefined ? undefined : await tenantOfStream(streamOf(decider, found))
    if (found === undefined || owner === undefined || (tenant !== undefined && owner !== tenant))
      throw unknown()
    const ids = [await follow(decider, found)]
    return {
      ...nothing,
      tenant: owner,
      ...(table === 'contact' ? { contacts: ids } : { conversations: ids }),
    }
  }

  /** Every instance of a tenant that ever had a conversation or a contact. */
  const instancesOf = async (tenant: string): Promise<string[]> => {
    const tables = ['conversation', 'contact'] as const
    const rows = await Promise.all([
      db.selectFrom('instance').select('id').where('tenant_id', '=', tenant).execute(),
      ...tables.map((table) =>
        db.selectFrom(table).select('instance_id as id').distinct().where('tenant_id', '=', tenant).execute(),
      ),
    ])
    return [...new Set(rows.flat().map(({ id }) => id))]
  }

  /** Those that there ever was anything of. */
  const known = async ({ category }: { readonly category: string }, ids: readonly string[]) => {
    const unique = [...new Set(ids)]
    const streams = await Promise.all(unique.map((id) => stored.readStream(streamOf({ category }, id))))
    return unique.filter((_, n) => streams[n]?.length)
  }

  /** What there is, or was, of a person at an instance, by all JIDs that the person is known by. */
  const ofPersonAt = async (instanceId: string, jids: readonly string[]) => {
    const conversations = await Promise.all(
      jids.map((jid) => follow(Conversation, conversationId(instanceId, jid))),
    )
    const contacts = await Promise.all(jids.map((jid) => follow(Contact, contactId(instanceId, jid))))
    const addresses = jids.map((jid) => addressId(instanceId, jid))
    return {
      conversations: await known(Conversation, conversations),
      contacts: await known(Contact, contacts),
      addresses: (await known(Address, addresses)).map((id) => ({ id, instanceId })),
    }
  }

  /** Those that were taken back before as well: more of them may be left than what is shown. */
  const messagesInGroups = async (tenant: string, jids: readonly string[]): Promise<string[]> => {
    const rows = await db
      .selectFrom('message')
      .innerJoin('conversation', 'conversation.id', 'message.conversation_id')
      .select('message.id')
      .where('message.tenant_id', '=', tenant)
      .where('conversation.is_group', '=', true)
      .where('message.sender_jid', 'in', [...jids])
      .execute()
    return rows.map(({ id }) => id)
  }

  const tenantOf = async (ref: string | undefined): Promise<string> => {
    if (ref !== undefined) {
      const row = isUuid(ref) ? await findTenant(db, ref) : await findTenantByNumber(db, Number(ref) || 0)
      if (!row) throw new Error(`There is no tenant ${ref}.`)
      return row.id
    }
    const [first, ...more] = await listTenants(db)
    if (!first) throw new Error('There is no tenant yet.')
    if (more.length > 0) throw new Error('There are several tenants: name one with --tenant.')
    return first.id
  }

  const person = async (phone: string, ref: string | undefined): Promise<Targets> => {
    const tenant = await tenantOf(ref)
    const jid = toPerson(phone, '--person')
    const links = await linksOf({ store, stored }, tenant)
    const names = new Map(
      [...(await instancesOf(tenant)), ...links.keys()].map((id) => [id, namesOf(jid, links.get(id) ?? [])]),
    )
    const places = await Promise.all([...names].map(([id, jids]) => ofPersonAt(id, jids)))
    const messages = await messagesInGroups(tenant, [...new Set([...names.values()].flat()), jid])
    const found = {
      tenant,
      conversations: places.flatMap((place) => place.conversations),
      contacts: places.flatMap((place) => place.contacts),
      addresses: places.flatMap((place) => place.addresses),
      messages,
    }
    if (Object.values(found).every((ids) => ids === tenant || ids.length === 0))
      throw new Error(`There is nothing of ${phone}.`)
    return found
  }

  /**
   * Takes the decision: writes the deletions into the log. What was deleted before is not deleted again, unless something
   * came since that is there for nobody to delete. Addresses come last, since all others are found by them.
   */
  const remove = async ({ tenant, conversations, contacts, addresses, messages }: Targets): Promise<void> => {
    const context: Context = { tenant, actor: { kind: 'system' }, correlation: randomUUID() }
    const decide = takeBack(false, new Date().toISOString())
    for (const id of messages) await transact(Message, id, decide, context)
    const gone: string[] = []
    for (const id of contacts)
      if ((await load(Contact, id)).state.person) await deletion.contact(id, context)
      else gone.push(id)
    for (const id of conversations)
      if ((await load(Conversation, id)).state.exists) await deletion.conversation(id, context)
      else gone.push(id)
    await keys.retire(gone)
    for (const { id, instanceId } of addresses) await deletion.address(id, instanceId, context)
  }

  return {
    conversation: async (ref: string, tenant: string | undefined) =>
      one(Conversation, ref, tenant === undefined ? undefined : await tenantOf(tenant)),
    contact: async (ref: string, tenant: string | undefined) =>
      one(Contact, ref, tenant === undefined ? undefined : await tenantOf(tenant)),
    person,
    remove,
  }
}
