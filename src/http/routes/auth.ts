import { Type } from 'typebox'
import { invalid, notFound, Refusal } from '../../domain/errors.ts'
import { userId } from '../../domain/ids.ts'
import type { Context } from '../../domain/metadata.ts'
import { roles, User as UserState } from '../../domain/user.ts'
import { literals } from '../../domain/values.ts'
import { findAccount, findTenant, type AccountRow } from '../../projections/accounts.ts'
import { isLiveToken } from '../../projections/tokens.ts'
import { daysFromNow, type IssuedToken } from '../../write/accounts.ts'
import { verifyAgainstNobody, verifyPassword } from '../../write/passwords.ts'
import { contextOf } from '../context.ts'
import { GivenPassword, NewPassword } from '../fields.ts'
import { Done, done, envelope, isoSeconds, ok } from '../format.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'
import { now } from '../times.ts'

const tag = 'Authentication'
const User = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  email: Type.String(),
  role: literals(roles),
})
const Token = { token: Type.String(), token_type: Type.Literal('Bearer'), expires_at: Type.String() }

const userView = ({ number: id, name, email, role }: AccountRow) => ({ id, name, email, role })
const tokenView = ({ token, expiresAt }: IssuedToken) => ({
  token,
  token_type: 'Bearer' as const,
  expires_at: isoSeconds(expiresAt ?? new Date()),
})

export const authRoutes = ({ db, load, accounts, users, caughtUp, settings }: Services) => {
  const issue = async (account: { id: string }, name: string, context: Context, at?: string) => {
    const holder = { kind: 'user', userId: account.id } as const
    const issued = await accounts.issueToken(holder, name, daysFromNow(settings.userTokenDays), context, at)
    await caughtUp(issued.position, 'tokens')
    return issued
  }
  /** The account that a password opens: checked against what is known, then against what the log says by now. */
  const accountWith = async (email: string, password: string) => {
    const account = await findAccount(db, userId(email))
    const right = account
      ? await verifyPassword(password, account.password_hash)
      : await verifyAgainstNobody(password)
    if (!account || !right) return undefined
    const { state } = await load(UserState, account.id)
    return state.disabled || state.passwordHash !== account.password_hash ? undefined : account
  }
  const revoke = async (tokenId: string, context: Context) => {
    const { position } = await accounts.revokeToken(tokenId, context)
    await caughtUp(position, 'tokens')
  }

  return [
    route({
      method: 'POST',
      path: '/auth/login',
      operationId: 'login',
      tag,
      summary: 'Log in',
      description: 'Gives a token for all instances of the account.',
      access: 'public',
      limit: 'login',
      body: Type.Object({
        email: Type.String({ minLength: 3, maxLength: 320, description: 'User email' }),
        password: GivenPassword,
        device_name: Type.Optional(
          Type.String({ maxLength: 100, description: 'Shown in the list of tokens' }),
        ),
      }),
      successDescription: 'Logged in.',
      responses: { 200: envelope(Type.Object({ user: User, ...Token })) },
      refusals: ['INVALID_CREDENTIALS', 'TENANT_DISABLED'],
      examples: { body: { email: 'user@example.com', password: 'your_password', device_name: 'My App' } },
      async handle({ body, request }) {
        // The token is as old as the look at the password: a password that is set meanwhile ends it.
        const at = now()
        const account = await accountWith(body.email, body.password)
        if (!account) throw new Refusal('INVALID_CREDENTIALS', 'The e-mail address or the password is wrong.')
        const tenant = await findTenant(db, account.tenant_id)
        if (!tenant || tenant.disabled)
          throw new Refusal('TENANT_DISABLED', 'This account is disabled. Ask your operator.')
        const actor = { kind: 'user', id: account.id } as const
        const context = { tenant: account.tenant_id, actor, correlation: request.id }
        const issued = await issue(account, body.device_name ?? 'login', context, at)
        return reply(200, ok({ user: userView(account), ...tokenView(issued) }, 'Login successful'))
      },
    }),
    route({
      method: 'GET',
      path: '/auth/me',
      operationId: 'getMe',
      tag,
      summary: 'The user of this token',
      access: 'account:read',
      scope: 'account',
      limit: 'standard',
      successDescription: 'The user and the account.',
      responses: {
        200: envelope(
          Type.Object({
            user: User,
            tenant: Type.Object({ id: Type.Integer(), name: Type.String(), time_zone: Type.String() }),
          }),
        ),
      },
      async handle({ caller }) {
        const [account, tenant] = await Promise.all([
          findAccount(db, caller.userId ?? ''),
          findTenant(db, caller.tenantId),
        ])
        if (!account || !tenant) throw notFound('User')
        const { number: id, name, time_zone } = tenant
        return reply(200, ok({ user: userView(account), tenant: { id, name, time_zone } }))
      },
    }),
    route({
      method: 'POST',
      path: '/auth/password',
      operationId: 'changePassword',
      tag,
      summary: 'Change the password of the user of this token',
      description: 'Every other token of the user ends.',
      access: 'account:read',
      scope: 'account',
      limit: 'login',
      body: Type.Object({ current_password: GivenPassword, new_password: NewPassword }),
      successDescription: 'The new password holds.',
      responses: { 200: Done },
      examples: { body: { current_password: 'your_password', new_password: 'a longer password' } },
      async handle({ caller, body, request }) {
        const id = caller.userId ?? ''
        const { passwordHash } = (await load(UserState, id)).state
        if (passwordHash === undefined) throw notFound('User')
        if (!(await verifyPassword(body.current_password, passwordHash)))
          throw invalid('current_password', 'is not the present password')
        const context = contextOf(caller, request)
        const { position } = await users.replacePassword(id, body.new_password, caller.tokenId, context)
        await caughtUp(position, 'accounts')
        return reply(200, done('Password changed'))
      },
    }),
    route({
      method: 'POST',
      path: '/auth/logout',
      operationId: 'logout',
      tag,
      summary: 'Revoke this token',
      access: 'account:read',
      scope: 'account',
      limit: 'standard',
      successDescription: 'The token is no longer valid.',
      responses: { 200: Done },
      async handle({ caller, request }) {
        await revoke(caller.tokenId, contextOf(caller, request))
        return reply(200, done('Logged out'))
      },
    }),
    route({
      method: 'POST',
      path: '/auth/refresh',
      operationId: 'refreshToken',
      tag,
      reads: ['accounts', 'tokens'],
      summary: 'Exchange this token for a new one',
      description: 'The old token is revoked.',
      access: 'account:read',
      scope: 'account',
      limit: 'standard',
      successDescription: 'A new token.',
      responses: { 200: envelope(Type.Object(Token)) },
      async handle({ caller, request }) {
        // Another process may have ended the token a moment ago, which must not give rise to a new one.
        const at = now()
        if (!(await isLiveToken(db, caller.tokenId, at)))
          throw new Refusal('UNAUTHENTICATED', 'This token is no longer valid. Log in again.')
        const context = contextOf(caller, request)
        const issued = await issue({ id: caller.userId ?? '' }, 'refresh', context, at)
        await revoke(caller.tokenId, context)
        return reply(200, ok(tokenView(issued), 'Token refreshed'))
      },
    }),
  ]
}
