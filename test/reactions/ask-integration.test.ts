import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { describe, expect, onTestFinished, test } from 'vitest'
import { addressGuard } from '../../src/adapters/outbound/address-guard.ts'
import { guardedPost } from '../../src/adapters/outbound/post.ts'
import { verifySignature } from '../../src/domain/sign.ts'
import { createAskIntegration } from '../../src/reactions/ask-integration.ts'
import { INSTANCE } from '../support/facts.ts'

const SECRET = `whsec_${Buffer.from('a secret of theirs').toString('base64')}`
const RUN = '550e8400-e29b-41d4-a716-446655440700'
type Asked = { readonly headers: IncomingHttpHeaders; readonly raw: Buffer }

/** An integration that answers as it is told; `ask` asks it. */
const startIntegration = async (answer: (response: ServerResponse, nth: number) => void, seconds = 5) => {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      asked.push({ headers: request.headers, raw: Buffer.concat(parts) })
      answer(response, asked.length)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const guard = addressGuard(['127.0.0.1/32'])
  const { post, close } = guardedPost({ guard, timeoutMs: 30_000, connectionsPerOrigin: 4 })
  onTestFinished(async () => {
    server.closeAllConnections()
    await close()
    await new Promise((done) => server.close(done))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/bot`
  const integration = { url, secret: SECRET, timeout_seconds: seconds }
  const askIntegration = createAskIntegration({ post, refusedUrl: guard.checkUrl })
  return {
    asked,
    url,
    ask: (to = url) =>
      askIntegration(
        { integration: { ...integration, url: to }, instanceId: INSTANCE, runId: RUN },
        { x: 'olá' },
      ),
  }
}
const answering = (body: unknown, status = 200) =>
  startIntegration((response) =>
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body)),
  )
const failing = (reason: string) => ({
  actions: [],
  next: { outcome: 'failed', reason: expect.stringContaining(reason) },
})

test('the question is signed in both ways, over its very bytes', async () => {
  const { ask, asked } = await answering({})
  await ask()
  const [{ headers, raw } = { headers: {}, raw: Buffer.alloc(0) }] = asked
  expect(JSON.parse(raw.toString())).toEqual({ event: 'automation.message', x: 'olá' })
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'x-webhook-event': 'automation.message',
    'x-instance-uuid': INSTANCE,
    'webhook-id': RUN,
  })
  expect(verifySignature(raw, String(headers['x-webhook-signature']), SECRET)).toBe(true)
  expect(() => new Webhook(SECRET).verify(raw, headers as Record<string, string>)).not.toThrow()
})

describe('an answer', () => {
  test('of replies, tags and a hand-over is taken as it is', async () => {
    const tag = '550e8400-e29b-41d4-a716-446655440701'
    const { ask } = await answering({
      replies: [
        { text: 'a\u0000b' },
        { media_url: 'https://example.com/a.pdf', media_type: 'document', caption: 'c' },
      ],
      tag_ids: [tag],
      hand_over: 'Sales',
      more: 'is left alone',
    })
    expect(await ask()).toEqual({
      actions: [
        { type: 'send', step: '0', content: { kind: 'text', text: 'ab' } },
        {
          type: 'send',
          step: '1',
          content: { kind: 'document', url: 'https://example.com/a.pdf', caption: 'c' },
        },
        { type: 'tag', add: [tag], remove: [] },
      ],
      next: { outcome: 'handed_over', reason: 'Sales' },
    })
  })
  test.each([null, ''])('whose reply has a file, and the text %j beside it, sends the file', async (text) => {
    const { ask } = await answering({
      replies: [{ text, media_url: 'https://example.com/a.jpg', media_type: 'image' }],
    })
    expect((await ask()).actions).toEqual([
      { type: 'send', step: '0', content: { kind: 'image', url: 'https://example.com/a.jpg' } },
    ])
  })
  test('whose reply has a text, and no file beside it, sends the text', async () => {
    const { ask } = await answering({ replies: [{ text: 'hi', media_url: null, media_type: null }] })
    expect((await ask()).actions).toEqual([
      { type: 'send', step: '0', content: { kind: 'text', text: 'hi' } },
    ])
  })
  test.each(['', ' \n', {}, { replies: [] }, { hand_over: false }])(
    '%j means nothing to do',
    async (body) => {
      const { ask } = await answering(body)
      expect(await ask()).toEqual({ actions: [], next: { outcome: 'completed' } })
    },
  )
  test.each([
    ['nonsense', 'not JSON'],
    [[], 'must be an object'],
    ['null', 'must be an object'],
    [{ replies: 'hi' }, 'replies must be a list'],
    [{ replies: Array.from({ length: 11 }, () => ({ text: 'x' })) }, 'replies must have at most 10 items'],
    [{ replies: [{ text: 5 }] }, 'replies.0'],
    [{ replies: [{ text: '' }] }, 'replies.0'],
    [{ replies: [{ text: 5, media_url: 'https://example.com/a', media_type: 'image' }] }, 'replies.0'],
    [{ replies: [{ media_url: 'http://10.0.0.1/a', media_type: 'image' }] }, 'address not allowed'],
    [{ tag_ids: ['vip'] }, 'tag_ids.0 must be a UUID'],
    [{ tag_ids: ['urn:uuid:550e8400-e29b-41d4-a716-446655440701'] }, 'tag_ids.0 must be a UUID'],
    [{ hand_over: 1 }, 'hand_over'],
  ])('%j is a failure: %s', async (body, reason) => {
    const { ask, asked } = await answering(body)
    expect(await ask()).toEqual(failing(reason))
    expect(asked).toHaveLength(1)
  })
})

describe('an integration', () => {
  test('that says that it is broken is asked once more, and no more', async () => {
    const mended = await startIntegration((response, nth) =>
      response.writeHead(nth === 1 ? 503 : 200).end('{"replies":[{"text":"hi"}]}'),
    )
    expect((await mended.ask()).actions).toHaveLength(1)
    const { ask, asked } = await answering('', 500)
    expect(await ask()).toEqual(failing('answered with status 500'))
    expect(asked).toHaveLength(2)
  })
  test('that refuses the question, or sends it elsewhere, is not asked again', async () => {
    for (const status of [302, 404]) {
      const { ask, asked } = await answering('', status)
      expect(await ask()).toEqual(failing(`answered with status ${status}`))
      expect(asked).toHaveLength(1)
    }
  })
  test('that does not answer in its time is not waited for again', async () => {
    const { ask, asked } = await startIntegration(() => {}, 1)
    expect(await ask()).toEqual(failing('timed out after 1 s'))
    expect(asked).toHaveLength(1)
  })
  test('in a private network is not reached', async () => {
    const { ask } = await answering({})
    expect(await ask('http://169.254.169.254/latest')).toEqual(failing('address not allowed'))
  })
})
