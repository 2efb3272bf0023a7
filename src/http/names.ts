import type { Kysely } from 'kysely'
import { contactId } from '../domain/ids.ts'
import type { Actor } from '../domain/metadata.ts'
import { toJid } from '../domain/values.ts'
import { findAccount } from '../projections/accounts.ts'
import type { Database } from '../projections/database.ts'
import { namesOfAnybody } from '../projections/contacts.ts'
import { findTokenName } from '../projections/tokens.ts'

/** What people are called at an instance, its own user too, by their JIDs, as far as it is known. */
export const namesOf = async (db: Kysely<Database>, instanceId: string, jids: readonly string[]) => {
  const idOf = (jid: string) => contactId(instanceId, jid)
  const [nameOf, own] = await Promise.all([
    namesOfAnybody(db, [...new Set(jids.map(idOf))]),
    jids.length === 0 ? undefined : ownName(db, instanceId),
  ])
  return (jid: string): string | undefined => nameOf(idOf(jid)) ?? (own?.jid === jid ? own.name : undefined)
}

const ownName = async (db: Kysely<Database>, instanceId: string) => {
  const row = await db
    .selectFrom('instance')
    .select(['phone_number', 'profile_name'])
    .where('id', '=', instanceId)
    .executeTakeFirst()
  if (!row?.phone_number || row.profile_name === null) return undefined
  return { jid: toJid(row.phone_number, 'phone_number'), name: row.profile_name }
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
