import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import fc from 'fast-check'
import { Agent, request } from 'undici'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { addressGuard, AddressNotAllowed } from '../../src/adapters/outbound/address-guard.ts'
import { guardedPost } from '../../src/adapters/outbound/post.ts'
import { testCertificate, testKey } from '../support/certificate.ts'
import { eventually } from '../support/eventually.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp()
})

/** Listens on loopback until the end of the test and answers the port. */
const listen = async (server: Server, host = '127.0.0.1') => {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port.')
  return { port: address.port, sockets }
}
const serve = async (listener: RequestListener) => {
  const { port, sockets } = await listen(createHttpServer(listener))
  return { url: `http://127.0.0.1:${port}`, port, sockets }
}
/** Takes a request in raw bytes, so that it can answer what node:http would not. */
const serveRaw = async (onRequest: (socket: Socket) => void) => {
  const server = createTcpServer((socket) => socket.on('data', () => onRequest(socket)))
  return `http://127.0.0.1:${(await listen(server)).port}`
}
const closedPort = async () => {
  const { port } = await listen(createHttpServer())
  await cleanups.pop()?.()
  return port
}

const loopback = ['127.0.0.0/8', '::1/128']
const poster = ({ allow = loopback, timeoutMs = 5000, connectionsPerOrigin = 4 } = {}) => {
  const { post, close } = guardedPost({ guard: addressGuard(allow), timeoutMs, connectionsPerOrigin })
  cleanups.push(close)
  return (url: string, body = '{}', headers: Record<string, string> = {}) => post(url, headers, body)
}

const answer = (status: number) => expect.objectContaining({ kind: 'answer', status })
const failure = (reason: string) => expect.objectContaining({ kind: 'failure', reason })

const loopbackForms = [
  'http://127.0.0.1/',
  'http://[::1]/',
  'http://[::ffff:7f00:1]/',
  'http://[::ffff:127.0.0.1]/',
  'http://0x7f000001/',
  'http://2130706433/',
  'http://0177.0.0.1/',
  'http://127.1/',
  'http://localhost/',
  'http://localhost./',
  'http://inside.localhost/',
]
const privateForms = [
  ...loopbackForms,
  'http://169.254.169.254/latest/meta-data/',
  'http://[fd00:ec2::254]/',
  'http://[64:ff9b::a9fe:a9fe]/',
  'http://168.63.129.16/',
  'http://10.0.0.1/',
  'http://172.16.0.1/',
  'http://192.168.1.1/',
  'http://100.64.0.1/',
  'http://0.0.0.0/',
  'http://[::]/',
  'http://[::7f00:1]/',
  'http://[fe80::1]/',
  'http://[fc00::1]/',
  'http://255.255.255.255/',
  'http://224.0.0.1/',
]

describe('the address guard', () => {
  it.each(privateForms)('refuses %s without connecting', async (url) => {
    expect(addressGuard([]).checkUrl(url)).toMatch(/^address not allowed: ./)
    expect(await poster({ allow: [] })(url)).toEqual(failure(addressGuard([]).checkUrl(url) ?? ''))
  })

  it.each([
    ['no URL', 'not a valid URL'],
    ['/relative', 'not a valid URL'],
    ['ftp://example.com/', 'only http and https URLs are allowed'],
    ['file:///etc/passwd', 'only http and https URLs are allowed'],
    ['https://user@example.com/', 'a user name or password in the URL is not allowed'],
    ['https://:word@example.com/', 'a user name or password in the URL is not allowed'],
  ])('refuses %s: %s', async (url, reason) => {
    expect(addressGuard([]).checkUrl(url)).toBe(reason)
    expect(await poster()(url)).toEqual(failure(reason))
  })

  it.each([
    'https://example.com/',
    'http://8.8.8.8:8080/',
    'http://[2606:4700::1111]/',
    'https://[::ffff:8.8.8.8]/',
  ])('has nothing against %s', (url) => expect(addressGuard([]).checkUrl(url)).toBeUndefined())

  it.each(loopbackForms.slice(0, -1))('lets %s through once OUTBOUND_ALLOW holds loopback', (url) => {
    expect(addressGuard(loopback).checkUrl(url)).toBeUndefined()
  })

  it('opens only what OUTBOUND_ALLOW names', () => {
    const guard = addressGuard(['10.1.0.0/16', 'fd00:1::/32'])
    expect(
      ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', 'fd00:1::1'].filter(guard.allows),
    ).toHaveLength(4)
    expect(['10.2.0.1', '::ffff:10.2.0.1', '127.0.0.1', 'fd00:2::1'].filter(guard.allows)).toEqual([])
  })

  it('does not open IPv4 by an IPv6 range', () => {
    expect(addressGuard(['::/0']).allows('::ffff:127.0.0.1')).toBe(false)
  })

  it('judges addresses only, never names', () => {
    expect(addressGuard(['0.0.0.0/0', '::/0']).allows('example.com')).toBe(false)
  })

  it('refuses every IPv6 address that stands for a private IPv4 one', () => {
    const byte = fc.integer({ min: 0, max: 255 })
    const privateIpv4 = fc.oneof(
      fc.constantFrom([10], [127], [192, 168], [169, 254], [172, 20]),
      fc.constant([0]),
    )
    const { allows } = addressGuard([])
    fc.assert(
      fc.property(privateIpv4, fc.tuple(byte, byte, byte), (start, rest) => {
        const [a = 0, b = 0, c = 0, d = 0] = [...start, ...rest]
        const [high, low] = [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)]
        const inverted = `${(0xffff ^ ((a << 8) | b)).toString(16)}:${(0xffff ^ ((c << 8) | d)).toString(16)}`
        const forms = [
          `${a}.${b}.${c}.${d}`,
          `::ffff:${high}:${low}`,
          `::ffff:0:${high}:${low}`,
          `::${high}:${low}`,
          `64:ff9b::${high}:${low}`,
          `64:ff9b:1::${high}:${low}`,
          `2002:${high}:${low}::1`,
          `2001::${inverted}`,
        ]
        expect(forms.filter(allows)).toEqual([])
      }),
    )
  })

  it.each([
    '10.0.0.0',
    '10.0.0.0/33',
    '10/8',
    '010.0.0.0/8',
    'localhost/8',
    '',
    '10.0.0.0/8/8',
    '::ffff:10.0.0.0/104',
  ])('refuses the range "%s" and names OUTBOUND_ALLOW', (cidr) =>
    expect(() => addressGuard([cidr])).toThrow(/^OUTBOUND_ALLOW: /),
  )

  it('connects to the allowed ones of the addresses that a name has, never to the others', async () => {
    const { port, sockets } = await serve((_, response) => response.end())
    const url = `http://localhost:${port}/`
    expect(addressGuard(['::1/128']).checkUrl(url)).toBeUndefined()
    const result = await poster({ allow: ['::1/128'] })(url)
    // The server is on 127.0.0.1 alone; whether the name also has ::1 depends on the machine.
    expect([new AddressNotAllowed('127.0.0.1').message, 'connection refused']).toContain(
      result.kind === 'failure' && result.reason,
    )
    expect(sockets.size).toBe(0)
  })

  it.each(['127.0.0.1', 'localhost'])('refuses %s at the connector too, whoever uses it', async (host) => {
    const { port, sockets } = await serve((_, response) => response.end())
    const dispatcher = new Agent({ connect: addressGuard([]).connector(1000) })
    cleanups.push(() => dispatcher.close())
    await expect(request(`http://${host}:${port}/`, { dispatcher })).rejects.toThrow(
      /^address not allowed: ./,
    )
    expect(sockets.size).toBe(0)
  })

  it.each(['127.0.0.1', 'localhost', '2130706433'])('reaches %s with OUTBOUND_ALLOW', async (host) => {
    const { port } = await serve((_, response) => response.end())
    expect(await poster({ allow: ['127.0.0.0/8'] })(`http://${host}:${port}/`)).toEqual(answer(200))
  })
})

describe('a post', () => {
  it('sends exactly the body and the headers given, to the path and query of the URL', async () => {
    const seen: unknown[] = []
    const { url } = await serve(async (incoming, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk)
      seen.push(incoming.method, incoming.url, incoming.headers['x-one'], Buffer.concat(chunks).toString())
      response.writeHead(204).end()
    })
    expect(await poster()(`${url}/a%20b?c=d#e`, '{"text":"olá 👋"}', { 'X-One': '1' })).toEqual(answer(204))
    expect(seen).toEqual(['POST', '/a%20b?c=d', '1', '{"text":"olá 👋"}'])
  })

  it('does not follow a redirect', async () => {
    const target = vi.fn<RequestListener>((_, response) => response.end())
    const { url: location } = await serve(target)
    const { url } = await serve((_, response) => response.writeHead(307, { location }).end('moved'))
    expect(await poster()(url)).toMatchObject({ kind: 'answer', status: 307, excerpt: 'moved' })
    expect(target).not.toHaveBeenCalled()
  })

  it('uses connections again', async () => {
    const ports = new Set<number | undefined>()
    const { url } = await serve((incoming, response) => {
      ports.add(incoming.socket.remotePort)
      response.end()
    })
    const post = poster({ connectionsPerOrigin: 2 })
    for (let n = 0; n < 20; n++) expect(await post(url)).toEqual(answer(200))
    expect(ports.size).toBeLessThanOrEqual(2)
  })

  it('opens no more connections to an origin than set, and all posts still get through', async () => {
    let open = 0
    let most = 0
    const held: (() => void)[] = []
    const { url, sockets } = await serve((_, response) => {
      most = Math.max(most, ++open)
      held.push(() => void (open--, response.end()))
    })
    const post = poster({ connectionsPerOrigin: 3 })
    const posts = Promise.all(Array.from({ length: 12 }, () => post(url)))
    for (let answered = 0; answered < 12; answered += 3) {
      await eventually(() => expect(held).toHaveLength(3))
      expect(sockets.size).toBe(3)
      for (const release of held.splice(0)) release()
    }
    expect(await posts).toEqual(Array.from({ length: 12 }, () => answer(200)))
    expect(most).toBe(3)
  })

  it('is not held up by another origin that never answers', async () => {
    const { url: dead } = await serve(() => undefined)
    const { url } = await serve((_, response) => response.end())
    const post = poster({ connectionsPerOrigin: 1, timeoutMs: 300 })
    const hanging = post(dead)
    expect(await post(url)).toEqual(answer(200))
    expect(await hanging).toEqual(failure('timed out after 0.3 s'))
  })

  it('whose time is over before it has a connection is never sent', async () => {
    const bodies: string[] = []
    const { url } = await serve((incoming, response) => {
      incoming.on('data', (chunk: Buffer) => bodies.push(chunk.toString()))
      incoming.on('end', () => bodies.length > 1 && response.end())
    })
    const post = poster({ connectionsPerOrigin: 1, timeoutMs: 200 })
    const [first, second, third] = await Promise.all([post(url, '1'), post(url, '2'), post(url, '3')])
    expect(first).toEqual(failure('timed out after 0.2 s'))
    expect([second, third]).toEqual([
      failure('no connection within 0.2 s'),
      failure('no connection within 0.2 s'),
    ])
    await eventually(async () => expect(await post(url, '4')).toEqual(answer(200)))
    // The last one may have been tried more than once.
    expect([...new Set(bodies)]).toEqual(['1', '4'])
  })

  it('ends when the connection is never ready; those that waited for it cost none, and the next one has room', async () => {
    let connections = 0
    const { port } = await listen(createTcpServer((socket) => ++connections > 1 && socket.destroy()))
    const post = poster({ connectionsPerOrigin: 1, timeoutMs: 200 })
    const results = await Promise.all(Array.from({ length: 5 }, () => post(`https://127.0.0.1:${port}/`)))
    expect(results).toEqual(Array.from({ length: 5 }, () => failure('no connection within 0.2 s')))
    const next = async () =>
      expect(await post(`https://127.0.0.1:${port}/`)).toEqual(failure('connection closed before an answer'))
    // undici gives up a connection attempt up to a second after its limit.
    await vi.waitFor(next, { timeout: 4000 })
    expect(connections).toBe(2)
  })

  it('ends when headers do not come', async () => {
    const url = await serveRaw((socket) => socket.write('HTTP/1.1 200 OK\r\nX-Slow: '))
    const result = await poster({ timeoutMs: 200 })(url)
    expect(result).toEqual(failure('timed out after 0.2 s'))
    expect(result.durationMs).toBeLessThan(1500)
  })

  it.each([200, 500])('keeps status %i and ends when the body drips for ever', async (status) => {
    const { url, sockets } = await serve((_, response) => {
      response.writeHead(status)
      const drip = setInterval(() => response.write('.'), 10)
      response.on('close', () => clearInterval(drip))
    })
    const result = await poster({ timeoutMs: 200 })(url)
    expect(result).toEqual(answer(status))
    expect(result.durationMs).toBeLessThan(1500)
    await eventually(() => expect(sockets.size).toBe(0))
  })

  it.each([
    [200, undefined],
    [500, 'x'.repeat(1024)],
  ])('keeps status %i and stops reading a body that is huge', async (status, excerpt) => {
    const chunk = Buffer.alloc(16 * 1024, 'x')
    const { url, sockets } = await serve((_, response) => {
      response.writeHead(status)
      const fill = () => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', fill)
      fill()
    })
    const { durationMs, ...result } = await poster({ timeoutMs: 60_000 })(url)
    expect(result).toEqual({ kind: 'answer', status, ...(excerpt && { excerpt }) })
    expect(durationMs).toBeLessThan(5000)
    await eventually(() => expect(sockets.size).toBe(0))
  })

  it('quotes the beginning of an answer that is not 2xx, in whole characters and without NUL', async () => {
    const { url } = await serve((_, response) => response.writeHead(422).end(`\0${'é'.repeat(1000)}`))
    expect(await poster()(url)).toHaveProperty('excerpt', 'é'.repeat(511))
  })

  it('quotes nothing of a 2xx answer', async () => {
    const { url } = await serve((_, response) => response.writeHead(201).end('thank you'))
    expect(await poster()(url)).not.toHaveProperty('excerpt')
  })

  describe('asked for the body of the answer', () => {
    const asking = (timeoutMs = 5000) => {
      const guard = addressGuard(loopback)
      const { post, close } = guardedPost({ guard, timeoutMs: 60_000, connectionsPerOrigin: 4 })
      cleanups.push(close)
      return (url: string) => post(url, {}, '{}', { wantsBody: true, timeoutMs })
    }
    it('gives the whole of a 2xx answer, and an excerpt of any other', async () => {
      const text = 'é'.repeat(20_000)
      const { url } = await serve((request, response) =>
        response.writeHead(request.url === '/bad' ? 400 : 200).end(text),
      )
      expect(await asking()(url)).toMatchObject({ kind: 'answer', status: 200, body: text })
      const bad = await asking()(`${url}/bad`)
      expect(bad).toMatchObject({ kind: 'answer', status: 400, excerpt: 'é'.repeat(512) })
      expect(bad).not.toHaveProperty('body')
    })
    it('gives an empty body as such', async () => {
      const { url } = await serve((_, response) => response.writeHead(204).end())
      expect(await asking()(url)).toMatchObject({ kind: 'answer', status: 204, body: '' })
    })
    it('fails if it is larger than 64 KB, breaks off, or is not there in its own time', async () => {
      const { url } = await serve((request, response) => {
        response.writeHead(200, { 'content-length': 70_000 })
        response.write(Buffer.alloc(request.url === '/large' ? 70_000 : 10, 'x'))
        if (request.url === '/broken') response.destroy()
      })
      expect(await asking()(`${url}/large`)).toEqual(failure('answer too large'))
      expect(await asking()(`${url}/broken`)).toEqual(failure('connection closed before an answer'))
      expect(await asking(200)(`${url}/slow`)).toEqual(failure('timed out after 0.2 s'))
    })
  })

  it('takes the final status after informational ones', async () => {
    const { url } = await serve((_, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' })
      response.writeHead(202).end()
    })
    expect(await poster()(url)).toEqual(answer(202))
  })

  it.each([
    ['120', 120],
    ['0', 0],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 0],
    ['soon', undefined],
    ['-5', undefined],
    ['1e3', undefined],
    ['9'.repeat(400), undefined],
  ])('reads Retry-After: %s', async (retryAfter, seconds) => {
    const { url } = await serve((_, response) => response.writeHead(503, { 'retry-after': retryAfter }).end())
    const result = await poster()(url)
    expect(result.kind === 'answer' ? result.retryAfterSeconds : 'none').toBe(seconds)
  })

  it('reads a Retry-After date as seconds from now', async () => {
    const retryAfter = new Date(Date.now() + 90_000).toUTCString()
    const { url } = await serve((_, response) => response.writeHead(429, { 'retry-after': retryAfter }).end())
    const result = await poster()(url)
    const seconds = result.kind === 'answer' ? result.retryAfterSeconds : undefined
    expect(seconds).toBeGreaterThan(80)
    expect(seconds).toBeLessThanOrEqual(90)
  })
})

describe('a failure says in words', () => {
  it('that the connection was refused', async () => {
    expect(await poster()(`http://127.0.0.1:${await closedPort()}/`)).toEqual(failure('connection refused'))
  })

  it('that the host name does not exist', async () => {
    const result = await poster()('http://nowhere.invalid/')
    expect(['host name not found', 'host name could not be looked up']).toContain(
      result.kind === 'failure' && result.reason,
    )
  })

  it('that only an informational answer came', async () => {
    const url = await serveRaw((socket) => socket.end('HTTP/1.1 103 Early Hints\r\n\r\n'))
    expect(await poster()(url)).toEqual(failure('connection closed before an answer'))
  })

  it('that the answer is no HTTP', async () => {
    const url = await serveRaw((socket) => socket.end('220 mail.example.com ESMTP\r\n'))
    expect(await poster()(url)).toEqual(failure('answer is not valid HTTP'))
  })

  it('that the server speaks no TLS', async () => {
    const { port } = await serve((_, response) => response.end())
    expect(await poster()(`https://127.0.0.1:${port}/`)).toEqual(failure('TLS: wrong version number'))
  })

  it('that the certificate is not trusted, and sends nothing', async () => {
    const received = vi.fn()
    const server = createTlsServer({ key: testKey, cert: testCertificate }, (socket) =>
      socket.on('data', received),
    )
    const { port } = await listen(server)
    expect(await poster()(`https://localhost:${port}/`)).toEqual(failure('TLS: self-signed certificate'))
    expect(received).not.toHaveBeenCalled()
  })

  it('that a kept connection was closed just as the next post was sent, which is not sent again', async () => {
    let requests = 0
    const { url } = await serve((incoming, response) => {
      if (++requests === 1) response.end()
      else incoming.socket.resetAndDestroy()
    })
    const post = poster()
    expect(await post(url)).toEqual(answer(200))
    expect(await post(url)).toEqual(failure('connection closed before an answer'))
    expect(requests).toBe(2)
  })

  it('that a header cannot be sent', async () => {
    const { url } = await serve((_, response) => response.end())
    const post = poster({ connectionsPerOrigin: 1 })
    expect(await post(url, '{}', { 'X-Bad': 'a\r\nb' })).toEqual(
      failure('request failed: UND_ERR_INVALID_ARG'),
    )
    expect(await post(url)).toEqual(answer(200))
  })

  it('that it came after close', async () => {
    const { url } = await serve((_, response) => response.end())
    const { post, close } = guardedPost({
      guard: addressGuard(loopback),
      timeoutMs: 1000,
      connectionsPerOrigin: 1,
    })
    await close()
    expect(await post(url, {}, '{}')).toEqual(failure('not sent: the server is stopping'))
  })
})
