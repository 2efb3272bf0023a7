import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { Type } from 'typebox'
import { Refusal } from '../../src/domain/errors.ts'
import { envelope, ok } from '../../src/http/format.ts'
import { instanceTokenPermissions, rolePermissions } from '../../src/http/permissions.ts'
import { rawText, reply, route, type Caller, type Route } from '../../src/http/route.ts'
import { createServer, type ServerParts, type ServerSettings } from '../../src/http/server.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'

/** Any JSON value, to be read by names and positions without casts; what is not there is undefined. */
export type Json = { [name: string]: Json } & Json[] & string
export const jsonOf = async (response: Response): Promise<Json> => JSON.parse(await response.text())

const tenantId = '0190d0a0-0000-7000-8000-000000000001'
const callerOf = (id: string, rest: Partial<Caller>): Caller => ({
  tenantId,
  tokenId: id,
  actor: { kind: 'token', id: '0190d0a0-0000-7000-8000-000000000002' },
  permissions: rolePermissions.admin,
  ...rest,
})
const callers: Readonly<Record<string, Caller>> = {
  'Bearer admin': callerOf('admin', {}),
  'Bearer viewer': callerOf('viewer', { permissions: rolePermissions.viewer }),
  'Bearer sk_one': callerOf('sk_one', { permissions: instanceTokenPermissions, instanceId: 'one' }),
  'Bearer generous': callerOf('generous', { requestsPerWindow: 1000 }),
}
export const operatorToken = 'operator-token-of-the-test'

const Step = Type.Union([
  Type.Object({ kind: Type.Literal('reply'), text: Type.String({ minLength: 1 }) }),
  Type.Object({ kind: Type.Literal('wait'), seconds: Type.Integer({ minimum: 1 }) }),
])
const Message = Type.Object({
  recipient: Type.String({ minLength: 1 }),
  message: Type.String({ maxLength: 20 }),
  kind: Type.Optional(Type.Union([Type.Literal('text'), Type.Literal('note')])),
  options: Type.Optional(Type.Object({ delay: Type.Integer() })),
  steps: Type.Optional(Type.Array(Step)),
})
const common = { tag: 'Toys', summary: 'A toy', successDescription: 'Done.', limit: 'standard' } as const

/** A small table with one route of every shape; `thrown` decides what `GET /fail` throws. */
export const toyRoutes = (thrown: () => unknown = () => new Error('secret detail')): readonly Route[] => [
  route({
    ...common,
    method: 'GET',
    path: '/toys/:id',
    operationId: 'getToy',
    access: 'messages:read',
    params: Type.Object({ id: Type.String() }),
    query: Type.Object({
      limit: Type.Optional(Type.Integer({ maximum: 100, default: 15 })),
      unread: Type.Optional(Type.Boolean()),
      tag_ids: Type.Optional(Type.Array(Type.String({ format: 'uuid' }))),
    }),
    responses: { 200: envelope(Type.Object({ id: Type.String(), query: Type.Unknown() })) },
    handle: async ({ params, query }) => reply(200, ok({ id: params.id, query })),
  }),
  route({
    ...common,
    method: 'GET',
    path: '/toys/first',
    operationId: 'getFirstToy',
    access: 'messages:read',
    responses: { 200: Type.Object({ first: Type.Literal(true) }) },
    handle: async () => reply(200, { first: true }),
  }),
  route({
    ...common,
    method: 'POST',
    path: '/send',
    operationId: 'send',
    access: 'messages:send',
    aliases: { recipient: ['number', 'to'] },
    body: Message,
    responses: { 200: Type.Object({ body: Type.Unknown(), tenant: Type.String() }), 202: Type.Object({}) },
    refusals: ['AUTOMATION_ACTIVE', 'INSTANCE_NOT_CONNECTED'],
    examples: { body: { recipient: '5511999999999', message: 'Hello' } },
    handle: async ({ body, caller }) => reply(200, { body, tenant: caller.tenantId }),
  }),
  route({
    ...common,
    method: 'POST',
    path: '/toys',
    operationId: 'createToy',
    access: 'instances:write',
    scope: 'account',
    responses: { 201: Type.Object({}) },
    handle: async () => reply(201, {}, { Location: '/toys/1' }),
  }),
  route({
    ...common,
    method: 'POST',
    path: '/hook',
    operationId: 'hook',
    access: 'signed-hook',
    body: Type.Object({}),
    responses: { 200: Type.Object({ length: Type.Integer() }) },
    handle: async ({ request }) => reply(200, { length: request.rawBody.length }),
  }),
  route({
    ...common,
    method: 'POST',
    path: '/login',
    operationId: 'login',
    access: 'public',
    limit: 'login',
    body: Type.Object({ email: Type.String(), password: Type.String() }),
    responses: { 200: Type.Object({ token: Type.String() }) },
    async handle({ body }) {
      if (body.password === 'right') return reply(200, { token: '1|x' })
      throw new Refusal('INVALID_CREDENTIALS', 'E-mail address or password is wrong.')
    },
  }),
  route({
    ...common,
    method: 'GET',
    path: '/export',
    operationId: 'export',
    access: 'public',
    limit: 'none',
    responses: { 200: rawText('text/csv; charset=utf-8') },
    handle: async () => reply(200, 'a,b\n'),
  }),
  route({
    ...common,
    method: 'GET',
    path: '/fail',
    operationId: 'fail',
    access: 'public',
    limit: 'none',
    responses: { 200: Type.Object({}) },
    async handle() {
      throw thrown()
    },
  }),
  route({
    ...common,
    method: 'GET',
    path: '/tenants',
    operationId: 'listTenants',
    access: 'operator',
    responses: { 200: Type.Object({}) },
    handle: async () => reply(200, {}),
  }),
]

export const toySettings: ServerSettings = {
  version: '1.2.3',
  bodyLimitBytes: 4096,
  kafkaBrokers: [],
  kafkaPrefix: 'zapini',
  kafkaTls: false,
  rateLimitRequests: 0,
  rateLimitWindowSeconds: 900,
  publicPages: ['docs', 'metrics'],
  trustProxy: false,
  validateResponses: true,
}

type Changes = Partial<Omit<ServerParts, 'settings'>> & { settings?: Partial<ServerSettings> }

/** The toy server on a loopback port, with what it logs. */
export const startToys = async ({ settings, ...changes }: Changes = {}) => {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    },
  })
  const metrics = createMetrics()
  const app = createServer({
    routes: toyRoutes(),
    authenticate: async (_route, request) =>
      request.header('x-webhook-signature') === String(request.rawBody.length)
        ? callers['Bearer admin']
        : callers[request.header('authorization') ?? ''],
    infrastructure: { ready: async () => ({ ready: true, body: {} }), metrics: () => metrics.exposition() },
    operatorToken,
    log: createLog('info', destination),
    metrics,
    ...changes,
    settings: { ...toySettings, ...settings },
  })
  const server = createHttpServer(app.callback())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const as = (token: string) => ({ Authorization: `Bearer ${token}` })
  return {
    url,
    port,
    log: () => lines.join(''),
    get: (path: string, token = 'admin', headers: Record<string, string> = {}) =>
      fetch(`${url}${path}`, { headers: { ...as(token), ...headers } }),
    post: (path: string, body: unknown, token = 'admin', headers: Record<string, string> = {}) =>
      fetch(`${url}${path}`, {
        method: 'POST',
        headers: { ...as(token), 'Content-Type': 'application/json', ...headers },
        body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
      }),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
