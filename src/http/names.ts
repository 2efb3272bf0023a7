import type { Kysely } from 'kysely'
import { contactId } from '../domain/ids.ts'
import type { Actor } from '../domain/metadata.ts'
import { findAccount } from '../projections/accounts.ts'
import type { Database } from '../projections/database.ts'
import { contactNames } from '../projections/contacts.ts'
import { findTokenName } from '../projections/tokens.ts'

/** What people are called at an instance, by their JIDs, as far as it is known. */
export const namesOf = async (db: Kysely<Database>, instanceId: string, jids: readonly string[]) => {
  const nameOf = await contactNames(db, [...new Set(jids.map((jid) => contactId(instanceId, jid)))])
  return (jid: string): string | undefined => nameOf(contactId(instanceId, jid))
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
