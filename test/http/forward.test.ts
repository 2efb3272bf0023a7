import { createServer, request as httpRequest, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Type } from 'typebox'
import { expect, it, onTestFinished, vi } from 'vitest'
import { reply, route, type RouteRequest } from '../../src/http/route.ts'
import { AtAnotherNode } from '../../src/ports/leases.ts'
import { gate } from '../support/subscriber.ts'
import { jsonOf, startToys } from './support.ts'

type Changes = NonNullable<Parameters<typeof startToys>[0]>
/** Does what is asked, or says where it can be done. */
type Do = (request: RouteRequest) => string | AtAnotherNode

const common = {
  tag: 'Toys',
  summary: 'A toy',
  successDescription: 'Done.',
  limit: 'standard',
  path: '/phones/:id',
  params: Type.Object({ id: Type.String() }),
} as const
const Told = Type.Object({ told: Type.String() })

/** A server whose phones can be used only where they are. */
const startNode = async (act: Do, settings: Changes['settings'] = {}) => {
  const told = async ({ request }: { readonly request: RouteRequest }) => {
    const done = act(request)
    if (done instanceof AtAnotherNode) throw done
    return reply(200, { told: done }, { 'X-Told': 'yes' })
  }
  const node = await startToys({
    settings,
    routes: [
      route({
        ...common,
        method: 'GET',
        operationId: 'getPhone',
        access: 'messages:read',
        query: Type.Object({ q: Type.Optional(Type.String()) }),
        responses: { 200: Told },
        handle: told,
      }),
      route({
        ...common,
        method: 'POST',
        operationId: 'usePhone',
        access: 'messages:send',
        body: Type.Object({ words: Type.Optional(Type.String()) }),
        responses: { 200: Told },
        handle: told,
      }),
    ],
  })
  onTestFinished(() => node.stop())
  return node
}

/** A server of any kind; what it is asked reaches `listener`. */
const startPlain = async (listener: RequestListener) => {
  const server = createServer(listener)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A node without the phones, which are at another URL. */
const startNear = (url: string, settings: Changes['settings'] = {}) =>
  startNode(() => new AtAnotherNode({ name: 'far', url }), settings)

const pair = async (act: Do, settings: { near?: Changes['settings']; far?: Changes['settings'] } = {}) => {
  const far = await startNode(act, settings.far)
  return { far, near: await startNear(far.url, settings.near) }
}

it('the node with the session gets the request as it came, with the caller’s own credentials', async () => {
  const seen: { method: string; url: string; headers: Record<string, unknown>; body: string }[] = []
  const url = await startPlain(async (request, response) => {
    const { method = '', url = '', headers } = request
    seen.push({ method, url, headers, body: await text(request) })
    response.writeHead(201, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Other': ['a', 'b'] }).end('Olá')
  })
  const near = await startNear(url)
  const body = '{ "words":  "olá" }'
  const answer = await near.post('/api/v1/phones/1%2F2?q=a%20b&q=c', body, 'sk_one', {
    'X-Request-Id': 'request-1',
    'Idempotency-Key': 'key-1',
    'X-Forwarded-For': '203.0.113.7',
  })
  expect(answer.status).toBe(201)
  expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(answer.headers.get('x-other')).toBe('a, b')
  expect(await answer.text()).toBe('Olá')
  expect(seen).toEqual([
    {
      method: 'POST',
      url: '/phones/1%2F2?q=a%20b&q=c',
      body,
      headers: expect.objectContaining({
        authorization: 'Bearer sk_one',
        'content-type': 'application/json',
        host: `127.0.0.1:${near.port}`,
        'idempotency-key': 'key-1',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-host': `127.0.0.1:${near.port}`,
        'x-forwarded-proto': 'http',
        'x-request-id': 'request-1',
        'x-zapini-forwarded-by': 'toys',
      }),
    },
  ])
  expect(near.log()).toContain('"forwarded_to":"far"')
})

/** A GET with headers that `fetch` does not send as they are. */
const getPlainly = (url: string, headers: Record<string, string>) =>
  new Promise<string>((done, failed) => {
    const all = { Authorization: 'Bearer admin', ...headers }
    httpRequest(url, { headers: all }, (response) => void text(response).then(done, failed))
      .on('error', failed)
      .end()
  })

it('the host that the client wrote stays the host', async () => {
  const { near } = await pair(({ host }) => host)
  const told = await getPlainly(`${near.url}/phones/1`, { Host: 'instance-7.api.example.com' })
  expect(told).toBe('{"told":"instance-7.api.example.com"}')
})

it('headers of one connection end with it', async () => {
  const { near } = await pair(({ header }) =>
    ['x-private', 'te', 'keep-alive', 'x-kept'].map((name) => String(header(name))).join(),
  )
  const told = await getPlainly(`${near.url}/phones/1`, {
    Connection: 'keep-alive, X-Private',
    'Keep-Alive': 'timeout=5',
    TE: 'trailers',
    'X-Private': 'of this connection',
    'X-Kept': 'kept',
  })
  expect(told).toBe('{"told":"undefined,undefined,undefined,kept"}')
})

it('a refusal there is the answer here', async () => {
  const { near } = await pair(() => {
    throw Object.assign(new Error('secret detail'), { code: 'ECONNREFUSED' })
  })
  const answer = await near.get('/phones/1')
  expect(answer.status).toBe(503)
  expect((await jsonOf(answer))['error']?.['message']).toMatch(/cannot reach its storage/)
})

it('what was passed on once is not passed on again', async () => {
  const calls = vi.fn()
  const lost: { url: string } = { url: '' }
  const { near, far } = await pair(() => {
    calls()
    return new AtAnotherNode({ name: 'near', url: lost.url })
  })
  lost.url = near.url
  const answer = await near.get('/phones/1')
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('5')
  expect((await jsonOf(answer))['error']).toMatchObject({
    code: 'UNAVAILABLE',
    message: 'This instance is moving to another node. Try again in a few seconds.',
  })
  expect(calls).toHaveBeenCalledTimes(1)
  // Asked directly, it passes on to the other one, which may not pass it back.
  expect((await far.get('/phones/1')).status).toBe(503)
  expect(calls).toHaveBeenCalledTimes(2)
})

it('a node that is gone: 503, and nothing was done', async () => {
  const gone = createServer()
  await new Promise<void>((done) => gone.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`
  await new Promise((done) => gone.close(done))
  const near = await startNear(url)
  const answer = await near.post('/phones/1', {})
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('5')
  expect(await answer.text()).toMatch(/cannot be reached. Nothing was done/)
  expect(near.log()).toMatch(/"forwarding failed"/)
})

it.each([
  ['before it answers', () => {}],
  [
    'in the middle of its answer',
    (socket: { write(text: string): unknown }) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{'),
  ],
] as const)('a node that dies %s: 503, and it may have been done', async (_when, answerPart) => {
  const url = await startPlain(({ socket }) => {
    answerPart(socket)
    socket.destroySoon()
  })
  const near = await startNear(url)
  const answer = await near.post('/phones/1', {})
  expect(answer.status).toBe(503)
  expect((await jsonOf(answer))['error']).toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/may have been done/),
  })
})

it('a client that goes away is not waited for there either', async () => {
  const [asked, gone] = [gate(), gate()]
  const url = await startPlain((request) => {
    request.on('close', gone.open)
    asked.open()
  })
  const near = await startNear(url)
  const leaving = new AbortController()
  const headers = { Authorization: 'Bearer admin' }
  const answer = fetch(`${near.url}/phones/1`, { headers, signal: leaving.signal })
  await asked.opened
  leaving.abort()
  await expect(answer).rejects.toThrow()
  await gone.opened
})

it('HEAD has the headers of GET, and no body', async () => {
  const { near } = await pair(() => 'words')
  const headers = { Authorization: 'Bearer admin' }
  const [head, get] = await Promise.all([
    fetch(`${near.url}/phones/1`, { method: 'HEAD', headers }),
    near.get('/phones/1'),
  ])
  expect(head.status).toBe(200)
  expect(head.headers.get('content-length')).toBe(String((await get.text()).length))
  expect(head.headers.get('x-told')).toBe('yes')
  expect(await head.text()).toBe('')
})

it('a client that expects to be asked for its body is asked here', async () => {
  const { near } = await pair(({ rawBody }) => String(rawBody.length))
  const body = JSON.stringify({ words: 'x'.repeat(3000) })
  const told = await new Promise<string>((done, failed) => {
    const headers = {
      Authorization: 'Bearer admin',
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      Expect: '100-continue',
    }
    const asking = httpRequest(`${near.url}/phones/1`, { method: 'POST', headers })
    asking.on('continue', () => asking.end(body))
    asking.on('response', (response) => void text(response).then(done, failed)).on('error', failed)
    asking.flushHeaders()
  })
  expect(told).toBe(`{"told":"${body.length}"}`)
})

it('a body sent in chunks arrives whole; one that is too large is refused here', async () => {
  const calls = vi.fn()
  const { near } = await pair(({ rawBody }) => {
    calls()
    return String(rawBody.length)
  })
  const sent = (bytes: number) =>
    fetch(`${near.url}/phones/1`, {
      method: 'POST',
      headers: { Authorization: 'Bearer admin', 'Content-Type': 'application/json' },
      body: new Blob([JSON.stringify({ words: 'x'.repeat(bytes) })]).stream(),
      duplex: 'half',
    })
  expect(await (await sent(4000)).text()).toBe(`{"told":"${4000 + '{"words":""}'.length}"}`)
  expect((await sent(5000)).status).toBe(413)
  expect(calls).toHaveBeenCalledTimes(1)
})

it('a request counts once: where it is done', async () => {
  const limited = { rateLimitRequests: 2 }
  const { near, far } = await pair(() => 'words', { near: limited, far: limited })
  const left = async (answer: Response) => answer.headers.get('x-ratelimit-remaining')
  expect(await left(await near.get('/phones/1'))).toBe('1')
  expect(await left(await near.get('/phones/1'))).toBe('0')
  const refused = await near.get('/phones/1')
  expect([refused.status, refused.headers.get('x-ratelimit-remaining')]).toEqual([429, '0'])
  expect((await far.get('/phones/1')).status).toBe(429)
})

it('a request that nobody can do is counted, whoever says that it was passed on', async () => {
  const near = await startNear('http://127.0.0.1:1', { rateLimitRequests: 2 })
  const mark = { 'X-Zapini-Forwarded-By': 'somebody' }
  const statuses: number[] = []
  for (let n = 0; n < 3; n++) statuses.push((await near.get('/phones/1', 'admin', mark)).status)
  expect(statuses).toEqual([503, 503, 429])
})

const notServed = /does not serve the API/

it('a node without the role api answers about itself, and what another one passes on', async () => {
  const { near, far } = await pair(() => 'words', { far: { roles: ['gateway'] } })
  expect(await (await near.get('/phones/1')).text()).toBe('{"told":"words"}')
  for (const path of ['/health', '/ready', '/metrics', '/api/v1/health'])
    expect((await far.get(path)).status, path).toBe(200)
  for (const path of ['/phones/1', '/api/v1/phones/1', '/nothing']) {
    const answer = await far.get(path)
    expect(answer.status, path).toBe(503)
    expect(await answer.text()).toMatch(notServed)
  }
})

it('to be passed on gives no rights', async () => {
  const far = await startNode(() => 'words', { roles: ['gateway'] })
  const mark = { 'X-Zapini-Forwarded-By': 'near' }
  expect((await far.get('/phones/1', 'nobody', mark)).status).toBe(401)
  expect((await far.post('/phones/1', {}, 'viewer', mark)).status).toBe(403)
  expect((await far.get('/phones/1', 'viewer', mark)).status).toBe(200)
})
