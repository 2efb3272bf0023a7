import type { Kysely } from 'kysely'
import { contactId } from '../domain/ids.ts'
import type { Actor } from '../domain/metadata.ts'
import { toJid } from '../domain/values.ts'
import { findAccount } from '../projections/accounts.ts'
import type { Database } from '../projections/database.ts'
import { findTokenName } from '../projections/tokens.ts'

/** What people are called at an instance, its own user too, by their JIDs, as far as it is known. */
export const namesOf = async (db: Kysely<Database>, instanceId: string, jids: readonly string[]) => {
  const idOf = (jid: string) => contactId(instanceId, jid)
  const ids = [...new Set(jids.map(idOf))]
  if (ids.length === 0) return () => undefined
  const [rows, own] = await Promise.all([
    db.selectFrom('conversation').select(['contact_id', 'name']).where('contact_id', 'in', ids).execute(),
    db
      .selectFrom('instance')
      .select(['phone_number', 'profile_name'])
      .where('id', '=', instanceId)
      .executeTakeFirst(),
  ])
  const names = new Map(rows.map(({ contact_id, name }) => [contact_id, name]))
  if (own?.phone_number && own.profile_name)
    names.set(idOf(toJid(own.phone_number, 'phone_number')), own.profile_name)
  return (jid: string): string | undefined => names.get(idOf(jid)) ?? undefined
}

/** Who acted, for people to read: the name of the user or token, or what else it was. */
export const actorName = async (db: Kysely<Database>, actor: Actor): Promise<string> => {
  switch (actor.kind) {
    case 'user':
      return (await findAccount(db, actor.id))?.name ?? 'a user who is gone'
    case 'token':
      return (await findTokenName(db, actor.id)) ?? 'a token that is gone'
    case 'automation':
    case 'gateway':
    case 'operator':
    case 'system':
      return actor.kind
  }
}
