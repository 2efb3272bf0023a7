import { Type } from 'typebox'
import { notFound } from '../../domain/errors.ts'
import { roles } from '../../domain/user.ts'
import { isSerial, isUuid, literals, Uuid } from '../../domain/values.ts'
import type { Position } from '../../ports/event-store.ts'
import {
  findAccount,
  findAccountByNumber,
  listAccounts,
  type AccountRow,
} from '../../projections/accounts.ts'
import { makeUpPassword } from '../../write/accounts.ts'
import { contextOf } from '../context.ts'
import { Email, NewPassword, PersonName } from '../fields.ts'
import { envelope, isoSeconds, ok, pagedEnvelope, pageMeta, pageOf, pageQuery } from '../format.ts'
import { reply, route, type Caller } from '../route.ts'
import type { Services } from '../services.ts'

const common = { tag: 'Users', scope: 'account', limit: 'standard' } as const
const params = Type.Object({ id: Type.String({ description: 'UUID or number of the user' }) })
const UserView = Type.Object({
  id: Type.Integer(),
  uuid: Uuid,
  name: Type.String(),
  email: Type.String(),
  role: literals(roles),
  disabled: Type.Boolean(),
  created_at: Type.String(),
})
const userView = ({ number, id, name, email, role, disabled, created_at }: AccountRow) => ({
  id: number,
  uuid: id,
  name,
  email,
  role,
  disabled,
  created_at: isoSeconds(created_at),
})
const UserAnswer = envelope(Type.Object({ user: UserView }))
/** Made up only where the caller did not choose one. */
const MadeUp = {
  password: Type.Optional(
    Type.String({ description: 'The password, if it was made up here. It is shown this once.' }),
  ),
}
const Role = literals(roles, {
  description: 'admin: everything; agent: reads all and serves conversations; viewer: reads',
})

/** The people of an account who log in, for its administrators. */
export const userRoutes = ({ db, accounts, users, caughtUp }: Services) => {
  const rowOf = async ({ tenantId }: Caller, ref: string): Promise<AccountRow> => {
    if (!isUuid(ref) && !isSerial(ref)) throw notFound('User')
    const row = await (isUuid(ref)
      ? findAccount(db, ref.toLowerCase())
      : findAccountByNumber(db, Number(ref), tenantId))
    if (row?.tenant_id !== tenantId) throw notFound('User')
    return row
  }
  const shown = async (caller: Caller, id: string, position: Position) => {
    await caughtUp(position, 'accounts')
    return userView(await rowOf(caller, id))
  }
  const setter = (disabled: boolean) =>
    route({
      ...common,
      method: 'POST',
      path: `/users/:id/${disabled ? 'disable' : 'enable'}`,
      operationId: disabled ? 'disableUser' : 'enableUser',
      reads: ['accounts'],
      summary: disabled ? 'Disable a user: neither password nor tokens work any more' : 'Enable a user again',
      description: disabled
        ? 'Nobody disables himself, nor the only administrator. Tokens of instances that the user made stay valid.'
        : 'Tokens that have not expired work again; reset the password to end them.',
      access: 'users:write',
      params,
      successDescription: 'The user as he is now.',
      responses: { 200: UserAnswer },
      ...(disabled && { refusals: ['CONFLICT'] }),
      async handle({ caller, params, request }) {
        const { id } = await rowOf(caller, params.id)
        const context = contextOf(caller, request)
        const { position } = await (disabled ? users.disable(id, context) : users.enable(id, context))
        return reply(200, ok({ user: await shown(caller, id, position) }))
      },
    })

  return [
    route({
      ...common,
      method: 'GET',
      path: '/users',
      operationId: 'listUsers',
      reads: ['accounts'],
      summary: 'The users of the account',
      access: 'users:read',
      query: Type.Object(pageQuery),
      successDescription: 'One page of them, the oldest first.',
      responses: { 200: pagedEnvelope(UserView) },
      async handle({ caller, query }) {
        const { page, perPage, offset } = pageOf(query)
        const { rows, total } = await listAccounts(db, caller.tenantId, { perPage, offset })
        return reply(200, { ...ok(rows.map(userView)), meta: pageMeta(total, perPage, page) })
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/users',
      operationId: 'createUser',
      summary: 'Add a user to the account',
      access: 'users:write',
      body: Type.Object({
        name: PersonName,
        email: Email,
        role: Role,
        password: Type.Optional(NewPassword),
      }),
      successDescription: 'The user; without a password given, one is made up and shown this once.',
      responses: { 201: envelope(Type.Object({ user: UserView, ...MadeUp })) },
      refusals: ['CONFLICT'],
      examples: { body: { name: 'Bia', email: 'bia@acme.example', role: 'agent' } },
      async handle({ caller, body, request }) {
        const { name, email, role, password = makeUpPassword() } = body
        const user = { name, email, role, password }
        const { id, position } = await accounts.addUser(user, contextOf(caller, request))
        const view = await shown(caller, id, position)
        return reply(201, ok({ user: view, ...(!body.password && { password }) }, 'User created'))
      },
    }),
    route({
      ...common,
      method: 'GET',
      path: '/users/:id',
      operationId: 'getUser',
      reads: ['accounts'],
      summary: 'One user',
      access: 'users:read',
      params,
      successDescription: 'The user.',
      responses: { 200: UserAnswer },
      handle: async ({ caller, params }) =>
        reply(200, ok({ user: userView(await rowOf(caller, params.id)) })),
    }),
    route({
      ...common,
      method: 'PATCH',
      path: '/users/:id',
      operationId: 'changeUser',
      reads: ['accounts'],
      summary: "Change a user's name or role",
      description: 'The only administrator of an account stays one. The e-mail address stays as it is.',
      access: 'users:write',
      params,
      body: Type.Object({ name: Type.Optional(PersonName), role: Type.Optional(Role) }),
      successDescription: 'The user as he is now.',
      responses: { 200: UserAnswer },
      refusals: ['CONFLICT'],
      examples: { body: { role: 'viewer' } },
      async handle({ caller, params, body, request }) {
        const { id } = await rowOf(caller, params.id)
        const { position } = await users.change(id, body, contextOf(caller, request))
        return reply(200, ok({ user: await shown(caller, id, position) }, 'User changed'))
      },
    }),
    setter(true),
    setter(false),
    route({
      ...common,
      method: 'POST',
      path: '/users/:id/reset-password',
      operationId: 'resetUserPassword',
      reads: ['accounts'],
      summary: 'Give a user a new password',
      description: 'Ends every token that the user has; of your own, the one of this call goes on working.',
      access: 'users:write',
      params,
      body: Type.Object({ password: Type.Optional(NewPassword) }),
      successDescription: 'The user; without a password given, one is made up and shown this once.',
      responses: { 200: envelope(Type.Object({ user: UserView, ...MadeUp })) },
      async handle({ caller, params, body, request }) {
        const { id } = await rowOf(caller, params.id)
        const { password = makeUpPassword() } = body
        const kept = caller.userId === id ? caller.tokenId : undefined
        const { position } = await users.replacePassword(id, password, kept, contextOf(caller, request))
        const user = await shown(caller, id, position)
        return reply(200, ok({ user, ...(!body.password && { password }) }, 'Password set'))
      },
    }),
  ]
}
