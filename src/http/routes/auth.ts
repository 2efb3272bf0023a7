import { Type } from 'typebox'
import { notFound, Refusal } from '../../domain/errors.ts'
import { userId } from '../../domain/ids.ts'
import type { Context } from '../../domain/metadata.ts'
import { roles } from '../../domain/user.ts'
import { literals } from '../../domain/values.ts'
import { findAccount, findTenant, type AccountRow } from '../../projections/accounts.ts'
import { daysFromNow, type IssuedToken } from '../../write/accounts.ts'
import { verifyAgainstNobody, verifyPassword } from '../../write/passwords.ts'
import { contextOf } from '../context.ts'
import { Done, done, envelope, isoSeconds, ok } from '../format.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'

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

export const authRoutes = ({ db, accounts, caughtUp, settings }: Services) => {
  const issue = async (account: { id: string }, name: string, context: Context) => {
    const holder = { kind: 'user', userId: account.id } as const
    const issued = await accounts.issueToken(holder, name, daysFromNow(settings.userTokenDays), context)
    await caughtUp(issued.position, 'tokens')
    return issued
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
        password: Type.String({ minLength: 1, maxLength: 1000, description: 'User password' }),
        device_name: Type.Optional(
          Type.String({ maxLength: 100, description: 'Shown in the list of tokens' }),
        ),
      }),
      successDescription: 'Logged in.',
      responses: { 200: envelope(Type.Object({ user: User, ...Token })) },
      refusals: ['INVALID_CREDENTIALS', 'TENANT_DISABLED'],
      examples: { body: { email: 'user@example.com', password: 'your_password', device_name: 'My App' } },
      async handle({ body, request }) {
        const account = await findAccount(db, userId(body.email))
        const right = account
          ? await verifyPassword(body.password, account.password_hash)
          : await verifyAgainstNobody(body.password)
        if (!account || !right)
          throw new Refusal('INVALID_CREDENTIALS', 'The e-mail address or the password is wrong.')
        const tenant = await findTenant(db, account.tenant_id)
        if (!tenant || tenant.disabled)
          throw new Refusal('TENANT_DISABLED', 'This account is disabled. Ask your operator.')
        const issued = await issue(account, body.device_name ?? 'login', {
          tenant: account.tenant_id,
          actor: { kind: 'user', id: account.id },
          correlation: request.id,
        })
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
      summary: 'Exchange this token for a new one',
      description: 'The old token is revoked.',
      access: 'account:read',
      scope: 'account',
      limit: 'standard',
      successDescription: 'A new token.',
      responses: { 200: envelope(Type.Object(Token)) },
      async handle({ caller, request }) {
        const context = contextOf(caller, request)
        const issued = await issue({ id: caller.userId ?? '' }, 'refresh', context)
        await revoke(caller.tokenId, context)
        return reply(200, ok(tokenView(issued), 'Token refreshed'))
      },
    }),
  ]
}
