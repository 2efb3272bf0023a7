import { connect } from 'node:net'
import { Type } from 'typebox'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Refusal } from '../../src/domain/errors.ts'
import { envelope, ok } from '../../src/http/format.ts'
import { rawText, reply, route } from '../../src/http/route.ts'
import { createServer } from '../../src/http/server.ts'
import { inProcessCounters } from '../../src/adapters/in-process/counters.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { AppendTooLarge } from '../../src/ports/event-store.ts'
import { jsonOf, operatorToken, startToys, toyRoutes, toySettings } from './support.ts'
import { eventually } from '../support/eventually.ts'

const hello = { recipient: '5511999999999', message: 'hello' }
const errorOf = async (response: Response) => {
  const { success, error } = await jsonOf(response)
  return { status: response.status, success, error }
}

let toys: Awaited<ReturnType<typeof startToys>>
beforeAll(async () => {
  toys = await startToys()
})
afterAll(() => toys.stop())

describe('addresses', () => {
  it('every path answers bare and under /api/v1', async () => {
    for (const prefix of ['', '/api/v1']) {
      const response = await toys.get(`${prefix}/toys/7`)
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual({ success: true, data: { id: '7', query: { limit: 15 } } })
    }
  })
  it('a literal path wins over a parameter whatever the order of the table', async () => {
    expect(await jsonOf(await toys.get('/toys/first'))).toEqual({ first: true })
  })
  it('an unknown path answers 404 in the error envelope', async () => {
    expect(await errorOf(await toys.get('/nowhere'))).toMatchObject({
      status: 404,
      success: false,
      error: { code: 'NOT_FOUND', details: {} },
    })
  })
  it('a wrong method answers 405 and names the right ones', async () => {
    const response = await fetch(`${toys.url}/toys/7`, { method: 'DELETE' })
    expect(response.headers.get('allow')).toBe('GET, HEAD')
    expect(await errorOf(response)).toMatchObject({ status: 405, error: { code: 'METHOD_NOT_ALLOWED' } })
  })
})

describe('who may call', () => {
  it('a missing or unknown token answers 401 and says how to authenticate', async () => {
    for (const response of [await fetch(`${toys.url}/toys/7`), await toys.get('/toys/7', 'stranger')]) {
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
      expect(await errorOf(response)).toMatchObject({ status: 401, error: { code: 'UNAUTHENTICATED' } })
    }
  })
  it('a token without the permission answers 403', async () => {
    expect(await errorOf(await toys.post('/send', hello, 'viewer'))).toMatchObject({
      status: 403,
      error: { code: 'FORBIDDEN', message: expect.stringContaining('messages:send') },
    })
  })
  it('the token of an instance is refused on account-wide calls only', async () => {
    expect((await toys.post('/toys', {}, 'sk_one')).status).toBe(403)
    expect((await toys.post('/toys', {}, 'admin')).status).toBe(201)
    expect((await toys.post('/send', hello, 'sk_one')).status).toBe(200)
  })
  it('operator calls take the operator token alone', async () => {
    expect((await toys.get('/tenants', 'admin')).status).toBe(401)
    expect((await toys.get('/tenants', operatorToken)).status).toBe(200)
  })
  it('operator calls do not exist without an operator token', async () => {
    const parts = {
      routes: toyRoutes(),
      settings: toySettings,
      log: createLog('silent'),
      metrics: createMetrics(),
      counters: inProcessCounters(),
    }
    const infrastructure = { ready: vi.fn(), metrics: vi.fn() }
    const forward = vi.fn()
    const app = createServer({ ...parts, infrastructure, forward, authenticate: async () => undefined })
    const server = app.listen(0, '127.0.0.1')
    try {
      await new Promise((resolve) => server.once('listening', resolve))
      const address = server.address()
      const port = typeof address === 'object' ? address?.port : undefined
      const response = await fetch(`http://127.0.0.1:${port}/tenants`, {
        headers: { Authorization: 'Bearer undefined' },
      })
      expect(response.status).toBe(404)
    } finally {
      server.close()
    }
  })
  it('a signed hook is authenticated over the exact bytes of its body', async () => {
    const body = '{ "a":  1 }'
    const signed = (signature: string) => toys.post('/hook', body, '', { 'X-Webhook-Signature': signature })
    expect(await (await signed('11')).json()).toEqual({ length: 11 })
    expect((await signed('12')).status).toBe(401)
  })
})

describe('bodies', () => {
  it('a body over the limit answers 413, announced or not', async () => {
    const large = JSON.stringify({ ...hello, extra: 'x'.repeat(5000) })
    expect(await errorOf(await toys.post('/send', large))).toMatchObject({
      status: 413,
      error: { code: 'PAYLOAD_TOO_LARGE' },
    })
    const chunked = await fetch(`${toys.url}/send`, {
      method: 'POST',
      headers: { Authorization: 'Bearer admin', 'Content-Type': 'application/json' },
      body: new Blob([large]).stream(),
      duplex: 'half',
    })
    expect(chunked.status).toBe(413)
  })
  it('bad JSON answers 400 and says where', async () => {
    expect(await errorOf(await toys.post('/send', '{"recipient": "1",}'))).toMatchObject({
      status: 400,
      error: { code: 'MALFORMED_REQUEST', message: expect.stringContaining('position 18') },
    })
  })
  it.each(['[]', '"text"', '12', 'null'])('JSON that is not an object (%s) answers 400', async (body) => {
    expect(await errorOf(await toys.post('/send', body))).toMatchObject({
      status: 400,
      error: { code: 'MALFORMED_REQUEST' },
    })
  })
  it('another content type, or none, answers 415', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/jsonp', '']) {
      const response = await toys.post('/send', JSON.stringify(hello), 'admin', { 'Content-Type': type })
      expect(await errorOf(response)).toMatchObject({
        status: 415,
        error: { code: 'UNSUPPORTED_MEDIA_TYPE' },
      })
    }
  })
  it('JSON by another name is JSON', async () => {
    for (const type of ['application/json; charset=utf-8', 'application/vnd.api+json', 'APPLICATION/JSON'])
      expect(
        (await toys.post('/send', JSON.stringify(hello), 'admin', { 'Content-Type': type })).status,
      ).toBe(200)
  })
  it('a compressed body answers 415', async () => {
    const response = await toys.post('/send', hello, 'admin', { 'Content-Encoding': 'gzip' })
    expect(response.status).toBe(415)
  })
  it('an empty body counts as an empty object', async () => {
    const response = await fetch(`${toys.url}/hook`, {
      method: 'POST',
      headers: { Authorization: 'Bearer admin' },
    })
    expect(await response.json()).toEqual({ length: 0 })
  })
  it('NUL characters are removed and halves of surrogate pairs replaced, in keys too', async () => {
    const body = '{"recipient":"1","message":"a\\u0000b\\ud800c\\ud83d\\ude00","x\\u0000":["\\u0000y"]}'
    expect((await jsonOf(await toys.post('/send', body))).body).toEqual({
      recipient: '1',
      message: 'ab\ufffdc😀',
      x: ['y'],
    })
  })
  it('NUL characters are removed from path and query', async () => {
    expect((await jsonOf(await toys.get('/toys/a%00b'))).data?.id).toBe('ab')
  })
  it('a body nested too deep answers 400 and does not exhaust the stack', async () => {
    const deep = await startToys({ settings: { bodyLimitBytes: 1_000_000 } })
    const body = `{"recipient":"1","message":"m","x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
    const response = await deep.post('/send', body)
    expect(await errorOf(response)).toMatchObject({
      status: 400,
      error: { message: expect.stringContaining('nested') },
    })
    await deep.stop()
  })
  it('a body that does not arrive in time answers 400', async () => {
    const slow = await startToys({ settings: { bodyTimeoutMs: 50 } })
    const socket = connect(slow.port, '127.0.0.1')
    const head =
      'POST /send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nContent-Type: application/json\r\n'
    socket.write(`${head}Content-Length: 100\r\n\r\n{"half":`)
    const answer = await new Promise<string>((resolve) =>
      socket.once('data', (data) => resolve(data.toString())),
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('did not arrive within 0.05 seconds')
    socket.destroy()
    await slow.stop()
  })
})

describe('validation', () => {
  const detailsOf = async (body: object) => {
    const answer = await errorOf(await toys.post('/send', body))
    expect(answer).toMatchObject({ status: 422, success: false, error: { code: 'VALIDATION_FAILED' } })
    return answer.error?.details
  }
  it('every bad field is named at once, nested ones in dotted form', async () => {
    expect(await detailsOf({ message: 'x'.repeat(21), options: { delay: 'soon' }, kind: 'song' })).toEqual({
      recipient: ['is required (also accepted as number, to)'],
      message: ['must be at most 20 characters'],
      'options.delay': ['must be a whole number'],
      kind: ['must be one of: text, note'],
    })
  })
  it('a union of objects complains about the branch that was meant', async () => {
    const steps = [
      { kind: 'reply', text: '' },
      { kind: 'wait', seconds: 0 },
      { kind: 'dance' },
      { kind: 'wait' },
    ]
    expect(await detailsOf({ ...hello, steps })).toEqual({
      'steps.0.text': ['must not be empty'],
      'steps.1.seconds': ['must be at least 1'],
      'steps.2': ['must have one of the documented forms'],
      'steps.3.seconds': ['is required'],
    })
  })
  it('body values are not coerced', async () => {
    expect(await detailsOf({ recipient: 5511, message: 'x' })).toEqual({
      recipient: ['must be text (also accepted as number, to)'],
    })
  })
  it('a field under another name is taken, and the canonical name wins', async () => {
    const bodyOf = async (body: object) => (await jsonOf(await toys.post('/send', body))).body
    expect((await bodyOf({ to: 'b', number: 'a', message: 'm' }))?.recipient).toBe('a')
    expect((await bodyOf({ to: 'b', recipient: 'c', message: 'm' }))?.recipient).toBe('c')
  })
  it('query text becomes numbers, booleans and lists; empty counts as absent', async () => {
    const queryOf = async (text: string) => (await jsonOf(await toys.get(`/toys/1?${text}`))).data?.query
    const [one, two] = ['0190d0a0-0000-7000-8000-00000000000a', '0190d0a0-0000-7000-8000-00000000000b']
    expect(await queryOf('limit=20&unread=1')).toEqual({ limit: 20, unread: true })
    expect(await queryOf('unread=false&limit=')).toEqual({ unread: false, limit: 15 })
    for (const text of [
      `tag_ids=${one},${two}`,
      `tag_ids=${one}&tag_ids=${two}`,
      `tag_ids[]=${one}&tag_ids[]=${two}`,
    ])
      expect((await queryOf(text))?.tag_ids).toEqual([one, two])
  })
  it('bad query values answer 422', async () => {
    const response = await toys.get('/toys/1?limit=101&unread=perhaps&tag_ids=x')
    expect((await errorOf(response)).error?.details).toEqual({
      limit: ['must be at most 100'],
      unread: ['must be true or false'],
      'tag_ids.0': ['must be a UUID'],
    })
  })
})

describe('answers', () => {
  it('the request id of the client is kept if it is safe, else replaced', async () => {
    const idFor = async (id: string) =>
      (await toys.get('/health', '', { 'X-Request-Id': id })).headers.get('x-request-id')
    expect(await idFor('order-7:retry.1')).toBe('order-7:retry.1')
    expect(await idFor('a b"c')).toMatch(/^[0-9a-f-]{36}$/)
    expect(await idFor('x'.repeat(129))).toMatch(/^[0-9a-f-]{36}$/)
  })
  it('headers that keep browsers from guessing, framing and caching are on every answer', async () => {
    for (const path of ['/toys/7', '/nowhere']) {
      const { headers } = await toys.get(path)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
      expect(headers.get('cache-control')).toBe('no-store')
    }
  })
  it('a route’s headers and content type are sent', async () => {
    expect((await toys.post('/toys', {})).headers.get('location')).toBe('/toys/1')
    const exported = await toys.get('/export')
    expect(exported.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(await exported.text()).toBe('a,b\n')
  })
  it('an answer against its schema fails loudly where answers are checked', async () => {
    const liar = route({
      method: 'GET',
      path: '/lie',
      operationId: 'lie',
      tag: 't',
      summary: 's',
      access: 'public',
      limit: 'none',
      successDescription: 'd',
      responses: { 200: Type.Object({ at: Type.String({ format: 'date-time' }) }) },
      handle: async () => reply(200, { at: 'yesterday' }),
    })
    const lying = await startToys({ routes: [liar] })
    const { status, error } = await errorOf(await lying.get('/lie'))
    expect(status).toBe(500)
    expect(error?.details).toEqual({ at: ['must be a date and time such as 2025-01-15T10:30:00Z'] })
    await lying.stop()
  })
})

describe('errors', () => {
  const failing = async (thrown: unknown) => {
    const server = await startToys({ routes: toyRoutes(() => thrown) })
    const response = await server.get('/fail')
    const text = await response.text()
    await eventually(() => expect(server.log()).toContain('"msg":"request"'))
    await server.stop()
    return { response, text, json: JSON.parse(text), log: server.log() }
  }
  it('an unexpected error tells the client its request id only, and the log its stack', async () => {
    const { response, text, json, log } = await failing(new Error('secret detail'))
    expect(response.status).toBe(500)
    expect(json.error).toMatchObject({
      code: 'INTERNAL_ERROR',
      details: { request_id: response.headers.get('x-request-id') },
    })
    expect(text).not.toMatch(/secret detail|edge\.test\.ts/)
    expect(log).toMatch(/secret detail.*edge\.test\.ts/)
  })
  it('a database error’s detail, which quotes data, is not logged', async () => {
    const { log } = await failing(
      Object.assign(new Error('duplicate key'), { code: '23505', detail: '(email)=(a@b.c)' }),
    )
    expect(log).toContain('duplicate key')
    expect(log).not.toContain('a@b.c')
  })
  it.each([
    Object.assign(new Error('down'), { name: 'StoreUnavailable' }),
    Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
    Object.assign(new Error('shutting down'), { code: '57P01' }),
    Object.assign(new Error('connection failure'), { code: '08006' }),
    new Error('Connection terminated unexpectedly'),
    new Error('wrapped', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) }),
  ])('storage out of reach ($message) answers 503 with Retry-After', async (error) => {
    const { response, json } = await failing(error)
    expect(response.status).toBe(503)
    expect(json.error.code).toBe('UNAVAILABLE')
    expect(response.headers.get('retry-after')).toBe('5')
  })
  it('what the event store cannot take at once answers 413', async () => {
    const { response, json } = await failing(new AppendTooLarge('2000000 bytes at once'))
    expect(response.status).toBe(413)
    expect(json.error.code).toBe('PAYLOAD_TOO_LARGE')
  })
  it('active automation carries the conversation beside the code, as the reference shows', async () => {
    const { response, json } = await failing(
      new Refusal('AUTOMATION_ACTIVE', 'Pause it.', { conversation_id: 123 }),
    )
    expect(response.status).toBe(403)
    expect(json).toEqual({
      success: false,
      error: { code: 'AUTOMATION_ACTIVE', message: 'Pause it.', conversation_id: 123 },
    })
  })
  it('something that is not an error is answered like one', async () => {
    expect((await failing('just text')).response.status).toBe(500)
  })
})

describe('the log', () => {
  it('has one line per request, with pattern and ids but nothing that was sent', async () => {
    const fresh = await startToys()
    await fresh.post('/send?password=in-query', { ...hello, message: 'private words' }, 'admin', {
      'X-Request-Id': 'req-1',
    })
    await fresh.get('/toys/private-id', 'admin')
    await fresh.get('/toys/1', 'private-token')
    await eventually(() => expect(fresh.log().trim().split('\n')).toHaveLength(3))
    expect(JSON.parse(fresh.log().split('\n')[0] ?? '')).toMatchObject({
      level: 'info',
      method: 'POST',
      route: '/send',
      status: 200,
      duration_ms: expect.any(Number),
      request_id: 'req-1',
      tenant_id: expect.any(String),
      token_id: 'admin',
    })
    expect(fresh.log()).not.toMatch(/private|5511999999999|in-query/)
    await fresh.stop()
  })
  it('hides secrets and message text that are logged by mistake', () => {
    const lines: string[] = []
    const log = createLog('info', { write: (line: string) => void lines.push(line) })
    log.info({ password: 'p1', headers: { authorization: 'Bearer p2' }, message: { text: 'p3' } }, 'oops')
    expect(lines.join('')).not.toMatch(/p1|p2|p3/)
  })
})

describe('infrastructure', () => {
  it('health needs no token and is as the reference shows', async () => {
    const answer = await jsonOf(await fetch(`${toys.url}/health`))
    expect(Object.keys(answer)).toEqual(['status', 'uptime', 'timestamp'])
    expect(answer.status).toBe('ok')
  })
  it('readiness answers 503 while the program is not ready', async () => {
    const infrastructure = {
      ready: async () => ({ ready: false, body: { database: 'starting' } }),
      metrics: vi.fn(),
    }
    const starting = await startToys({ infrastructure })
    const response = await fetch(`${starting.url}/ready`)
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({ database: 'starting' })
    await starting.stop()
  })
  it('metrics count requests by pattern and class', async () => {
    await toys.get('/toys/7')
    const text = await (await fetch(`${toys.url}/metrics`)).text()
    expect(text).toMatch(
      /zapini_http_request_duration_seconds_count\{method="GET",route="\/toys\/:id",status="2xx"\} \d+/,
    )
  })
  it('a page that is not public needs the operator’s token', async () => {
    const closed = await startToys({ settings: { publicPages: [] } })
    for (const path of ['/docs', '/openapi.json', '/metrics']) {
      expect((await fetch(`${closed.url}${path}`)).status).toBe(401)
      expect((await closed.get(path, operatorToken)).status).toBe(200)
    }
    await closed.stop()
  })
})

describe('the route table', () => {
  const common = {
    method: 'GET',
    operationId: 'x',
    tag: 't',
    summary: 's',
    limit: 'none',
    successDescription: 'd',
  } as const
  const Count = envelope(Type.Object({ count: Type.Integer() }))
  it('two routes that are the same are refused at start', async () => {
    await expect(startToys({ routes: [...toyRoutes(), ...toyRoutes()] })).rejects.toThrow('Two routes')
  })
  it('a path whose parameters are not in its schema is refused at start', async () => {
    const bad = route({
      ...common,
      path: '/x/:id',
      access: 'public',
      responses: { 200: Count },
      handle: async () => reply(200, ok({ count: 1 })),
    })
    await expect(startToys({ routes: [bad] })).rejects.toThrow('/x/:id')
  })
  it('a wrong status, a wrong body and a caller on a public route do not compile', () => {
    const start = { ...common, path: '/x', access: 'public' } as const
    const routes = [
      // @ts-expect-error 201 is not among the responses
      route({ ...start, responses: { 200: Count }, handle: async () => reply(201, ok({ count: 1 })) }),
      // @ts-expect-error the count is not a number
      route({ ...start, responses: { 200: Count }, handle: async () => reply(200, ok({ count: 'one' })) }),
      route({
        ...start,
        responses: { 200: rawText('text/csv') },
        // @ts-expect-error nobody has been identified
        handle: async ({ caller }) => reply(200, `${caller}`),
      }),
    ]
    expect(routes).toHaveLength(3)
  })
})
