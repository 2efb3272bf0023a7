import { createHash, randomBytes } from 'node:crypto'
import { firstTenantId, newId, userId } from '../domain/ids.ts'
import type { Context } from '../domain/metadata.ts'
import { createTenant, Tenant } from '../domain/tenant.ts'
import { issue, revoke, Token, type TokenHolder } from '../domain/token.ts'
import { createUser, User, type Role } from '../domain/user.ts'
import type { Position } from '../ports/event-store.ts'
import type { Numbers } from '../ports/numbers.ts'
import { hashPassword } from './passwords.ts'
import type { Transact } from './transact.ts'

const SECRET_BYTES = 32
const DAY_MS = 86_400_000

/** Only this is kept of a token. A token holds 256 random bits, so a plain hash is enough. */
export const hashToken = (token: string) => createHash('sha256').update(token).digest('hex')

const secret = () => randomBytes(SECRET_BYTES).toString('base64url')

export type IssuedToken = {
  readonly id: string
  readonly number: number
  /** Shown once. */
  readonly token: string
  readonly expiresAt: string | null
  readonly at: string
  readonly position: Position
}

/** Tenants, users and tokens: how they come to be. */
export const createAccounts = (transact: Transact, numbers: Numbers) => {
  /** A user's token reads `number|secret`, an instance's `sk_secret`. */
  const issueToken = async (
    holder: TokenHolder,
    name: string,
    expiresAt: string | undefined,
    context: Context,
    at = new Date().toISOString(),
  ): Promise<IssuedToken> => {
    const id = newId()
    const number = await numbers('token')
    const token = holder.kind === 'user' ? `${number}|${secret()}` : `sk_${secret()}`
    const command = { number, holder, name, hash: hashToken(token), ...(expiresAt && { expiresAt }), at }
    const { position } = await transact(Token, id, issue(command), context, { expectNew: true })
    return { id, number, token, expiresAt: expiresAt ?? null, at, position }
  }

  const revokeToken = (id: string, context: Context) =>
    transact(Token, id, revoke(new Date().toISOString()), context)

  const addTenant = async (tenant: { id: string; name: string; timeZone: string }, context: Context) => {
    const number = await numbers('tenant')
    const command = { number, name: tenant.name, timeZone: tenant.timeZone, at: new Date().toISOString() }
    return transact(Tenant, tenant.id, createTenant(command), context, { expectNew: true })
  }

  /** Refuses with CONFLICT if the address has an account already. */
  const addUser = async (
    user: { email: string; name: string; role: Role; password: string },
    context: Context,
  ) => {
    const { password, email, ...rest } = user
    const [number, passwordHash] = await Promise.all([numbers('user'), hashPassword(password)])
    const at = new Date().toISOString()
    const id = userId(email)
    const command = { ...rest, email: email.trim().toLowerCase(), number, passwordHash, at }
    const written = await transact(User, id, createUser(command), context, { expectNew: true })
    return { id, ...written }
  }

  /** The tenant and the administrator of a new deployment. */
  const addFirstAccount = async (admin: { email: string; password: string }) => {
    const context: Context = { tenant: firstTenantId, actor: { kind: 'system' }, correlation: 'first-start' }
    await addTenant({ id: firstTenantId, name: 'Default', timeZone: 'UTC' }, context)
    return addUser({ ...admin, name: 'Administrator', role: 'admin' }, context)
  }

  return { issueToken, revokeToken, addTenant, addUser, addFirstAccount }
}
export type Accounts = ReturnType<typeof createAccounts>

export const daysFromNow = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString()
/** A password for people to copy. */
export const makeUpPassword = () => randomBytes(12).toString('base64url')
/** A secret that signs webhooks in both of the ways that receivers check. */
export const makeUpWebhookSecret = () => `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`
