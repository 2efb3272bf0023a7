import type { IncomingHttpHeaders } from 'node:http'
import type { ParameterizedContext } from 'koa'
import { Agent } from 'undici'
import { Refusal } from '../domain/errors.ts'
import type { Log } from '../log.ts'
import type { Node } from '../ports/leases.ts'
import type { State } from './endpoint.ts'

/** Longer than the slowest answer of a session takes, a pairing code. */
const TIMEOUT_MS = 45_000
const CONNECT_TIMEOUT_MS = 3000
const CONNECTIONS = 64
const ANSWER_MAX_BYTES = 64 * 1024 * 1024

/** Says which node passed a request on. It gives no rights, so that anybody may send it. */
const MARK = 'x-zapini-forwarded-by'

/** About one connection, not about what is said through it (RFC 9110, 7.6.1). */
const ofConnection = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]
/** Made anew for the next connection, or answered already. */
const ofRequest = new Set([...ofConnection, 'host', 'content-length', 'expect'])
const ofAnswer = new Set([...ofConnection, 'date'])

/** What can be done only at another node goes there, with the caller's own credentials, and its answer comes back. */
export type Forward = (
  ctx: ParameterizedContext<State>,
  request: { readonly rawBody: Buffer; signal(): AbortSignal },
  to: Node,
) => Promise<void>

export const isForwarded = (ctx: ParameterizedContext<State>) => ctx.get(MARK) !== ''

/** Passed on twice, a request could go round in circles. */
export const refuseIfForwarded = (ctx: ParameterizedContext<State>) => {
  if (isForwarded(ctx))
    throw unavailable('This instance is moving to another node. Try again in a few seconds.')
}

/** `from`: this node. */
export const createForward = (from: Node, log: Log) => {
  const agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    connections: CONNECTIONS,
    maxResponseSize: ANSWER_MAX_BYTES,
    // Of undici's limits each ends on its own; the signal bounds the whole.
    headersTimeout: 0,
    bodyTimeout: 0,
  })

  const ask: (...given: Parameters<Forward>) => Promise<Answer> = async (ctx, { rawBody, signal }, to) => {
    const { origin, pathname } = new URL(to.url)
    const { statusCode, headers, body } = await agent.request({
      origin,
      path: `${pathname.replace(/\/$/, '')}${ctx.path}${ctx.search}`,
      method: ctx.method,
      headers: {
        ...without(ofRequest, ctx.req.headers),
        host: ctx.host,
        // As this node understood it: the next one believes the last hop, if it believes any.
        'x-forwarded-for': ctx.ip,
        'x-forwarded-host': ctx.host,
        'x-forwarded-proto': ctx.protocol,
        'x-request-id': ctx.state.requestId,
        [MARK]: from.name,
      },
      body: rawBody.length > 0 ? rawBody : null,
      signal: AbortSignal.any([signal(), AbortSignal.timeout(TIMEOUT_MS)]),
    })
    return { status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) }
  }

  const forward: Forward = async (ctx, request, to) => {
    ctx.state.forwardedTo = to.name
    const answer = await ask(ctx, request, to).catch((error: unknown) => {
      log.warn({ err: error, node: to.name, request_id: ctx.state.requestId }, 'forwarding failed')
      throw unavailable(explain(error))
    })
    ctx.status = answer.status
    ctx.body = answer.body
    for (const [name, value] of Object.entries(without(ofAnswer, answer.headers)))
      // To `HEAD`, it is the length of what is not there.
      if (name !== 'content-length' || ctx.method === 'HEAD') ctx.set(name, value)
  }

  return { forward, close: () => agent.close() }
}

type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer }

/** Headers but for those named, and those that `Connection` names. */
const without = (names: ReadonlySet<string>, headers: IncomingHttpHeaders) => {
  const named = new Set((headers.connection ?? '').toLowerCase().split(/\s*,\s*/))
  const kept: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !names.has(name) && !named.has(name)) kept[name] = value
  return kept
}

const unavailable = (message: string) => new Refusal('UNAVAILABLE', message)

const notConnected = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
])
const explain = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (notConnected.has(code))
    return 'The node that has this instance cannot be reached. Nothing was done; try again in a few seconds.'
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE')
    return 'The answer of the node that has this instance is too large to be passed on. Ask for less at once.'
  return 'The node that has this instance did not answer. What was asked for may have been done nevertheless.'
}
