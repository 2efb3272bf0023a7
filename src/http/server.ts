import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import Router from '@koa/router'
import Koa, { type Middleware, type Next } from 'koa'
import { Refusal } from '../domain/errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Counters } from '../ports/counters.ts'
import type { ReadModel } from '../projections/read-models.ts'
import type { Settings } from '../settings.ts'
import type { AnswerAsOf } from './as-of.ts'
import { endpoint, type Authenticate, type EndpointParts, type State } from './endpoint.ts'
import { answerTo } from './errors.ts'
import { isForwarded, type Forward } from './forward.ts'
import {
  documentationRoutes,
  infrastructureRoutes,
  serviceTag,
  type Infrastructure,
} from './infrastructure.ts'
import { createRateLimits } from './rate-limit.ts'
import type { Route } from './route.ts'
import { assertSound } from './soundness.ts'
import { starting } from './starting.ts'

export type ServerSettings = Pick<
  Settings,
  | 'bodyLimitBytes'
  | 'kafkaBrokers'
  | 'kafkaPrefix'
  | 'kafkaTls'
  | 'publicPages'
  | 'publicUrl'
  | 'rateLimitRequests'
  | 'rateLimitWindowSeconds'
  | 'roles'
  | 'trustProxy'
> & {
  readonly version: string
  readonly bodyTimeoutMs?: number
  /** For tests: an answer that is not in its route's schemas becomes an error. */
  readonly validateResponses?: boolean
}

export type ServerParts = {
  readonly routes: readonly Route[]
  readonly authenticate: Authenticate
  readonly infrastructure: Infrastructure
  readonly counters: Counters
  /** For what can be done only at another node. */
  readonly forward: Forward
  /** Waits, within bounds, until read models know everything written so far. */
  readonly freshen?: (names: readonly ReadModel[]) => Promise<void>
  /** For routes that can be asked as of a time. */
  readonly answerAsOf?: AnswerAsOf
  /** Whether read models know what a request may ask for; tokens, for example. */
  readonly isReady?: () => boolean
  readonly settings: ServerSettings
  /** Without it, calls for the operator do not exist. */
  readonly operatorToken?: string
  readonly log: Log
  readonly metrics: Metrics
}

const BODY_TIMEOUT_MS = 15_000
const PREFIX = '/api/v1'

/** The HTTP side of the program: serves the routes, each bare and under `/api/v1`, and their documentation. */
export const createServer = (parts: ServerParts): Koa<State> => {
  const { settings, log, metrics, operatorToken } = parts
  const routes = servedRoutes(parts)
  assertSound(routes)
  const endpointParts = {
    authenticate: parts.authenticate,
    isOperator: operatorCheck(operatorToken),
    freshen: parts.freshen ?? (() => Promise.resolve()),
    answerAsOf: parts.answerAsOf ?? (() => Promise.reject(new Error('Nothing is kept of the past'))),
    limits: createRateLimits({
      settings,
      counters: parts.counters,
      onError: (error) => log.error({ err: error, part: 'rate limit' }, 'requests are not counted'),
    }),
    forward: parts.forward,
    body: {
      bodyLimitBytes: settings.bodyLimitBytes,
      bodyTimeoutMs: settings.bodyTimeoutMs ?? BODY_TIMEOUT_MS,
    },
    validateResponses: settings.validateResponses ?? false,
  }
  const routers = routersOf(routes, endpointParts)

  // One hop is believed: the address that our own proxy appended, not what a client wrote before it.
  const app = new Koa<State>({ proxy: settings.trustProxy, maxIpsCount: 1 })
  app.on('error', (error: unknown) =>
    log[hasGone(error) ? 'debug' : 'warn']({ err: error }, 'response failed'),
  )
  app.use(identifyRequest)
  app.use(observe(log, metrics))
  app.use(answerErrors(log))
  app.use(stripPrefix)
  app.use(serveWhatItCan(routes, settings.roles.includes('api'), parts.isReady ?? (() => true)))
  app.use(serveRoutes(routers))
  app.use(refuseUnknown(routers))
  return app
}

/** A client that has enough of an answer closes the connection: no fault of anybody. */
const hasGone = (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'

/** The routes given, our own beside them; those for the operator only if there is one. */
const servedRoutes = ({ routes, infrastructure, settings, operatorToken }: ServerParts): readonly Route[] => {
  const isServed = ({ access }: Route) => access !== 'operator' || operatorToken !== undefined
  const documented = [...routes, ...infrastructureRoutes(infrastructure, settings.publicPages)].filter(
    isServed,
  )
  return [...documented, ...documentationRoutes(documented, settings).filter(isServed)]
}

type Routers = ReadonlyMap<string, Router<State>>

/** A router for each first segment of the paths, because a router tries its routes one by one. */
const routersOf = (routes: readonly Route[], parts: EndpointParts): Routers => {
  const routers = new Map<string, Router<State>>()
  for (const route of literalsFirst(routes)) {
    const segment = firstSegment(route.path)
    const router = routers.get(segment) ?? new Router<State>()
    routers.set(segment, router)
    router.register(route.path, [route.method], endpoint(route, parts))
  }
  return routers
}
const firstSegment = (path: string) => path.split('/', 2)[1] ?? ''

/** `/conversations/archived` before `/conversations/:id`, whatever order the routes come in. */
const literalsFirst = (routes: readonly Route[]): readonly Route[] => {
  const key = ({ path }: Route) => path.replace(/:\w+/g, '~')
  return routes.toSorted((one, other) => (key(one) < key(other) ? -1 : 1))
}

const operatorCheck = (operatorToken: string | undefined) => {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const expected = operatorToken === undefined ? undefined : digest(`Bearer ${operatorToken}`)
  return (authorization: string | undefined): boolean =>
    expected !== undefined && authorization !== undefined && timingSafeEqual(digest(authorization), expected)
}

const safeRequestId = /^[\w.:-]{1,128}$/

const identifyRequest: Middleware<State> = (ctx, next) => {
  const given = ctx.get('X-Request-Id')
  ctx.state.requestId = safeRequestId.test(given) ? given : randomUUID()
  const { res } = ctx
  res.setHeader('X-Request-Id', ctx.state.requestId)
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.setHeader('Referrer-Policy', 'no-referrer')
  res.setHeader('Cache-Control', 'no-store')
  res.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
  return next()
}

/** One line and one measurement for each request: the route's pattern and ids, never what was sent. */
const observe =
  (log: Log, metrics: Metrics): Middleware<State> =>
  async (ctx, next) => {
    const startedAt = performance.now()
    await next()
    const durationMs = performance.now() - startedAt
    const { requestId, route, caller, code, forwardedTo } = ctx.state
    metrics.httpRequest(ctx.method, route?.path ?? 'unknown', ctx.status, durationMs / 1000)
    log[route?.tag === serviceTag ? 'debug' : 'info'](
      {
        method: ctx.method,
        route: route?.path ?? 'unknown',
        status: ctx.status,
        duration_ms: Math.round(durationMs * 100) / 100,
        request_id: requestId,
        tenant_id: caller?.tenantId,
        token_id: caller?.tokenId,
        code,
        forwarded_to: forwardedTo,
      },
      'request',
    )
  }

const answerErrors =
  (log: Log): Middleware<State> =>
  async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      const answer = answerTo(error, ctx.state.requestId)
      if (answer.fault)
        log.error({ err: error, request_id: ctx.state.requestId, code: answer.code }, 'request failed')
      ctx.state.code = answer.code
      ctx.set({ ...answer.headers })
      ctx.status = answer.status
      ctx.body = answer.body
    }
  }

const stripPrefix: Middleware<State> = (ctx, next) => {
  if (ctx.path.startsWith(`${PREFIX}/`)) ctx.path = ctx.path.slice(PREFIX.length)
  return next()
}

/**
 * What is about the node itself it always answers; anything else once it is ready, and without the role `api` only what
 * another node passed on.
 */
const serveWhatItCan = (
  routes: readonly Route[],
  isApi: boolean,
  isReady: () => boolean,
): Middleware<State> => {
  const ofNode = new Set(routes.filter(({ tag }) => tag === serviceTag).map(({ path }) => firstSegment(path)))
  return (ctx, next) => {
    if (ofNode.has(firstSegment(ctx.path))) return next()
    if (!isReady()) throw starting
    if (isApi || isForwarded(ctx)) return next()
    throw new Refusal(
      'UNAVAILABLE',
      'This node does not serve the API: its ROLES do not have "api". Ask a node that has it.',
    )
  }
}

const skip = (_ctx: unknown, next: Next) => next()

const serveRoutes = (routers: Routers): ReturnType<Router<State>['routes']> => {
  const served = new Map([...routers].map(([segment, router]) => [segment, router.routes()]))
  return async (ctx, next) => {
    await (served.get(firstSegment(ctx.path)) ?? skip)(ctx, next)
  }
}

const refuseUnknown =
  (routers: Routers): Middleware<State> =>
  (ctx) => {
    const matching = routers.get(firstSegment(ctx.path))?.match(ctx.path, ctx.method).path ?? []
    if (matching.length === 0)
      throw new Refusal('NOT_FOUND', 'Nothing is at this address; /docs shows what there is.')
    const allowed = [...new Set(matching.flatMap(({ methods }) => methods))].toSorted()
    ctx.set('Allow', allowed.join(', '))
    throw new Refusal('METHOD_NOT_ALLOWED', `Use ${allowed.join(' or ')} here.`)
  }
