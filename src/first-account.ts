import type { Kysely } from 'kysely'
import type { Position } from './ports/event-store.ts'
import { hasAccounts } from './projections/accounts.ts'
import type { Database } from './projections/database.ts'
import { makeUpPassword, type Accounts } from './write/accounts.ts'

const EMAIL = 'admin@zapini.local'

export type Login = {
  readonly email: string
  /** Only if it was made up here; it is known nowhere else. */
  readonly password: string | undefined
  readonly position: Position
}

/**
 * Makes the first account of a new deployment and answers how to log in. Undefined if there are accounts already; the
 * read models must know everything by then.
 */
export const ensureFirstAccount = async (
  db: Kysely<Database>,
  accounts: Accounts,
  wanted: { readonly email: string | undefined; readonly password: string | undefined },
): Promise<Login | undefined> => {
  if (await hasAccounts(db)) return undefined
  const email = wanted.email ?? EMAIL
  const password = wanted.password ?? makeUpPassword()
  const { position } = await accounts.addFirstAccount({ email, password })
  return { email, password: wanted.password === undefined ? password : undefined, position }
}
