import { parse as parseQuery } from 'node:querystring'
import type { RouterContext } from '@koa/router'
import type { ParameterizedContext } from 'koa'
import type { TSchema } from 'typebox'
import type { Details } from '../complaints.ts'
import { Refusal, type ErrorCode } from '../domain/errors.ts'
import { AtAnotherNode } from '../ports/leases.ts'
import type { ReadModel } from '../projections/read-models.ts'
import { timeAsked, type AnswerAsOf } from './as-of.ts'
import { noBody, parseBody, readBody, storableFields, type BodyLimits } from './body.ts'
import { refuseIfForwarded, type Forward } from './forward.ts'
import { rateLimitHeaders, refuseIfExceeded, type RateLimits } from './rate-limit.ts'
import { contentTypeOf, hasForms, type Caller, type Route, type RouteRequest } from './route.ts'
import { bodyCheck, queryCheck, responseCheck, textCheck } from './validate.ts'

/** What becomes known of a request while it is served; the log line and the metrics are made from it. */
export type State = {
  requestId: string
  route?: Route
  caller?: Caller
  code?: ErrorCode
  /** The node that answered in place of this one. */
  forwardedTo?: string
}

/** Whom the request comes from; undefined if it does not say, or not credibly. May refuse with a reason of its own. */
export type Authenticate = (
  route: Route,
  request: RouteRequest,
  params: Readonly<Record<string, string>>,
) => Promise<Caller | undefined>

export type EndpointParts = {
  readonly authenticate: Authenticate
  readonly isOperator: (authorization: string | undefined) => boolean
  readonly limits: RateLimits
  readonly body: BodyLimits
  readonly forward: Forward
  /** Waits, within bounds, until read models know everything written so far. */
  readonly freshen: (names: readonly ReadModel[]) => Promise<void>
  readonly answerAsOf: AnswerAsOf
  readonly validateResponses: boolean
}

/** Makes the middleware that serves a route. */
export const endpoint = (route: Route, parts: EndpointParts) => {
  const checkParams = textCheck(route.params)
  const checkQuery = queryCheck(route.query, route.aliases)
  const checkBody = bodyCheck(route.body, route.aliases)
  const answer = answerer(route, parts.validateResponses)
  const signed = route.access === 'signed-hook'
  const bodyLimitBytes = Math.max(route.bodyLimitBytes ?? 0, parts.body.bodyLimitBytes)
  const bodyLimits = { ...parts.body, bodyLimitBytes }

  return async (ctx: RouterContext<State>): Promise<void> => {
    ctx.state.route = route
    const request = requestOf(ctx)
    // A signature is made over the body, so there the body comes before the caller.
    if (signed) request.rawBody = await readBody(ctx.req, bodyLimits)
    const caller = await identify(route, request, ctx.params, parts)
    if (caller) ctx.state.caller = caller
    await spendRequest(ctx, route, caller, parts.limits)
    if (route.body && !signed) request.rawBody = await readBody(ctx.req, bodyLimits)
    const body = route.body ? checkBody(parseBody(request.rawBody, request.header('content-type'))) : {}
    const params = checkParams(withoutNul(ctx, ctx.params))
    const sent = ctx.querystring === '' ? {} : withoutNul(ctx, parseQuery(ctx.querystring))
    const isAsOf = 'as_of' in sent
    const query = checkQuery(sent)
    const takeBack =
      route.limit === 'login' ? await parts.limits.login(ctx.ip, accountIn(body, caller)) : undefined
    const at = timeAsked(route, query, isAsOf)
    try {
      const input = { params, query, body, request }
      if (caller && at !== undefined) answer(ctx, await parts.answerAsOf(route, { caller, ...input }, at))
      else {
        if (route.reads) await parts.freshen(route.reads)
        answer(ctx, await route.handle({ caller, ...input }))
      }
    } catch (error) {
      if (!(error instanceof AtAnotherNode)) throw error
      refuseIfForwarded(ctx)
      // It counts where it is done.
      if (route.limit === 'standard') parts.limits.takeBack(caller, ctx.ip)
      await parts.forward(ctx, request, error.node)
    }
    takeBack?.()
  }
}

/** Whose password is tried: the one named, or the caller's own. */
const accountIn = ({ email }: Readonly<Record<string, unknown>>, caller: Caller | undefined) =>
  typeof email === 'string' ? email : (caller?.userId ?? '')

const requestOf = (ctx: ParameterizedContext<State>) => {
  let signal: AbortSignal | undefined
  return {
    id: ctx.state.requestId,
    host: ctx.host,
    origin: () => `${ctx.protocol}://${ctx.host}`,
    ip: ctx.ip,
    rawBody: noBody,
    incoming: ctx.req,
    header(name: string): string | undefined {
      const value = ctx.req.headers[name.toLowerCase()]
      return Array.isArray(value) ? value.join(', ') : value
    },
    // Not a getter: an object with a getter of its own gets a hidden class of its own, on every request.
    signal: () => (signal ??= signalOf(ctx)),
  }
}

const signalOf = ({ res }: ParameterizedContext<State>): AbortSignal => {
  const controller = new AbortController()
  res.once('close', () => {
    if (!res.writableFinished) controller.abort()
  })
  return controller.signal
}

/** PostgreSQL cannot store NUL, and a URL can hold one only in this form. */
const withoutNul = (
  ctx: ParameterizedContext<State>,
  fields: Record<string, unknown>,
): Record<string, unknown> => (ctx.url.includes('%00') ? storableFields(fields) : fields)

const identify = async (
  route: Route,
  request: RouteRequest,
  params: Readonly<Record<string, string>>,
  { authenticate, isOperator, limits }: EndpointParts,
): Promise<Caller | undefined> => {
  if (route.access === 'public') return undefined
  if (route.access === 'operator') {
    if (!isOperator(request.header('authorization'))) throw await unauthenticated(request, limits)
    return undefined
  }
  const caller = await authenticate(route, request, params)
  if (!caller) throw await unauthenticated(request, limits)
  const needed = route.access === 'signed-hook' ? 'inbound:write' : route.access
  if (!caller.permissions.has(needed))
    throw new Refusal('FORBIDDEN', `This token may not do this: it needs the permission ${needed}.`)
  if (route.scope === 'account' && caller.instanceId !== undefined)
    throw new Refusal(
      'FORBIDDEN',
      'This call concerns the whole account: use the token of a user, not of an instance.',
    )
  return caller
}

const unauthenticated = async (request: RouteRequest, limits: RateLimits): Promise<Refusal> => {
  await limits.failedAuthentication(request.ip)
  return new Refusal('UNAUTHENTICATED', 'Send a valid token in the header "Authorization: Bearer {token}".')
}

const spendRequest = async (
  ctx: ParameterizedContext<State>,
  route: Route,
  caller: Caller | undefined,
  limits: RateLimits,
): Promise<void> => {
  if (route.limit !== 'standard') return
  const standing = await limits.request(caller, ctx.ip)
  if (!standing) return
  ctx.set(rateLimitHeaders(standing))
  refuseIfExceeded(standing)
}

type Reply = Awaited<ReturnType<Route['handle']>>

/** Writes the reply; with `validate`, a reply that is not in the route's schemas becomes an error that says so. */
const answerer = (route: Route, validate: boolean) => {
  const assertDocumented = validate ? documentedBy(route) : undefined
  const contentTypes = new Map(
    Object.entries(route.responses).map(([status, schema]) => [Number(status), contentTypeOf(schema)]),
  )
  return (ctx: ParameterizedContext<State>, reply: Reply): void => {
    assertDocumented?.(reply)
    ctx.status = reply.status
    const contentType = contentTypes.get(reply.status)
    if (contentType !== undefined) ctx.set('Content-Type', contentType)
    if (reply.headers) ctx.set({ ...reply.headers })
    ctx.body = reply.body
  }
}

const documentedBy = (route: Route) => {
  const checks = new Map(
    Object.entries(route.responses).map(([status, schema]) => [Number(status), replyCheck(schema)]),
  )
  return (reply: Reply): void => {
    const { status } = reply
    const check = checks.get(status)
    const wrong = check ? check(reply) : { status: ['is not in the route’s responses'] }
    if (wrong)
      throw new Refusal(
        'INTERNAL_ERROR',
        `${route.operationId} answered ${status} against its schema.`,
        wrong,
      )
  }
}

/** What is wrong with a reply; undefined if nothing is. Only JSON is looked into. */
const replyCheck = (schema: TSchema): ((reply: Reply) => Details | undefined) => {
  if (hasForms(schema))
    return ({ headers }) =>
      (headers?.['Content-Type'] ?? '') in schema.forms
        ? undefined
        : { 'Content-Type': ['is not documented'] }
  if (contentTypeOf(schema) !== undefined) return () => undefined
  const check = responseCheck(schema)
  return ({ body }) => check(onTheWire(body))
}
const onTheWire = (body: unknown): unknown => JSON.parse(JSON.stringify(body))
