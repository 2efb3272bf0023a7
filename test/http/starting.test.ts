import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { answerWhileStarting } from '../../src/http/starting.ts'
import { createClient, type Client } from '../support/client.ts'
import { startToys } from './support.ts'

const server = createServer(answerWhileStarting)
let client: Client

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  client = createClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
afterAll(() => new Promise((done) => server.close(done)))

it.each(['/health', '/api/v1/health'])('a program that is still starting lives: %s', async (path) => {
  const { status, body } = await client.get(path)
  expect(status).toBe(200)
  expect(body).toMatchObject({ status: 'ok', uptime: expect.any(Number) })
})

it('and is not ready', async () => {
  const { status, body } = await client.get('/ready')
  expect(status).toBe(503)
  expect(body.status).toBe('starting')
})

it('anything else is to be tried again in a few seconds', async () => {
  const { status, body, headers } = await client.post('/send-message', { recipient: '1', message: 'x' })
  expect(status).toBe(503)
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  expect(body).toMatchObject({ success: false, error: { code: 'UNAVAILABLE' } })
})

it('a program whose read models may not know a token yet does not say that it is wrong', async () => {
  let isReady = false
  const toys = await startToys({ isReady: () => isReady })
  onTestFinished(() => toys.stop())
  for (const answer of [await toys.get('/toys/1', 'unknown'), await toys.post('/login', {}, '')]) {
    expect(answer.status).toBe(503)
    expect(await answer.text()).toContain('starting')
  }
  for (const path of ['/health', '/ready', '/metrics', '/docs', '/api/v1/health'])
    expect((await toys.get(path)).status, path).toBe(200)
  isReady = true
  expect((await toys.get('/toys/1')).status).toBe(200)
  expect((await toys.get('/toys/1', 'unknown')).status).toBe(401)
})
