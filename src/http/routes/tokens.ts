import { Type } from 'typebox'
import { invalid, notFound } from '../../domain/errors.ts'
import { instanceTokens } from '../../projections/tokens.ts'
import { contextOf } from '../context.ts'
import { GivenInstance } from '../fields.ts'
import { Done, done, envelope, isoSeconds, Nullable, ok, secondsOrNull } from '../format.ts'
import type { Instances } from '../instances.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'
import { now, timeOf } from '../times.ts'

const common = {
  tag: 'Instance tokens',
  access: 'tokens:write',
  scope: 'account',
  limit: 'standard',
} as const
const TokenView = { id: Type.Integer(), name: Type.String(), expires_at: Nullable, created_at: Type.String() }
const params = Type.Object({ id: GivenInstance })

/** Tokens that reach one instance only. */
export const tokenRoutes = ({ db, accounts, caughtUp }: Services, instances: Instances) => [
  route({
    ...common,
    method: 'POST',
    path: '/instances/:id/tokens',
    operationId: 'createInstanceToken',
    summary: 'Create a token for the instance',
    params,
    body: Type.Object({
      name: Type.String({ minLength: 1, maxLength: 100 }),
      expires_at: Type.Optional(Type.String({ format: 'date-time' })),
    }),
    successDescription: 'The token. It is shown this once.',
    responses: { 201: envelope(Type.Object({ ...TokenView, token: Type.String() })) },
    examples: { body: { name: 'CRM' } },
    async handle({ caller, params, body, request }) {
      const instance = await instances.ofCaller(caller, params.id)
      const expiresAt = body.expires_at === undefined ? undefined : timeOf(body.expires_at, 'expires_at')
      if (expiresAt !== undefined && expiresAt <= now()) throw invalid('expires_at', 'must be in the future')
      const holder = { kind: 'instance', instanceId: instance.id } as const
      const issued = await accounts.issueToken(holder, body.name, expiresAt, contextOf(caller, request))
      await caughtUp(issued.position, 'tokens')
      const { number: id, token, at } = issued
      const view = {
        id,
        name: body.name,
        expires_at: secondsOrNull(issued.expiresAt),
        created_at: isoSeconds(at),
      }
      return reply(201, ok({ ...view, token }, 'Token created. Copy it now: it is not shown again.'))
    },
  }),
  route({
    ...common,
    method: 'GET',
    path: '/instances/:id/tokens',
    operationId: 'listInstanceTokens',
    summary: 'Live tokens of the instance',
    params,
    successDescription: 'The tokens, without their secrets.',
    responses: { 200: envelope(Type.Object({ tokens: Type.Array(Type.Object(TokenView)) })) },
    async handle({ caller, params }) {
      const instance = await instances.ofCaller(caller, params.id)
      const tokens = (await instanceTokens(db, instance.id)).map(
        ({ number, name, expires_at, created_at }) => ({
          id: number,
          name,
          expires_at: secondsOrNull(expires_at),
          created_at: isoSeconds(created_at),
        }),
      )
      return reply(200, ok({ tokens }))
    },
  }),
  route({
    ...common,
    method: 'DELETE',
    path: '/instances/:id/tokens/:tokenId',
    operationId: 'revokeInstanceToken',
    summary: 'Revoke a token of the instance',
    params: Type.Object({ ...params.properties, tokenId: Type.Integer({ minimum: 1 }) }),
    successDescription: 'Revoked.',
    responses: { 200: Done },
    async handle({ caller, params, request }) {
      const instance = await instances.ofCaller(caller, params.id)
      const token = (await instanceTokens(db, instance.id)).find(({ number }) => number === params.tokenId)
      if (!token) throw notFound('Token')
      const { position } = await accounts.revokeToken(token.id, contextOf(caller, request))
      await caughtUp(position, 'tokens')
      return reply(200, done('Token revoked'))
    },
  }),
]
