import type { Kysely } from 'kysely'
import { hasAccounts } from './projections/accounts.ts'
import type { Database } from './projections/database.ts'
import { makeUpPassword, type Accounts } from './write/accounts.ts'

const EMAIL = 'admin@zapini.local'

export type Login = { readonly email: string; readonly password: string | undefined }

/**
 * Makes the first account of a new deployment. Answers how to log in, the password only if it was made up here; then
 * it is known nowhere else. Undefined if there are accounts already.
 */
export const ensureFirstAccount = async (
  db: Kysely<Database>,
  accounts: Accounts,
  wanted: { readonly email: string | undefined; readonly password: string | undefined },
): Promise<Login | undefined> => {
  if (await hasAccounts(db)) return undefined
  const email = wanted.email ?? EMAIL
  const password = wanted.password ?? makeUpPassword()
  await accounts.addFirstAccount({ email, password })
  return { email, password: wanted.password === undefined ? password : undefined }
}
