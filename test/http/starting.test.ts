import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { answerWhileStarting } from '../../src/http/starting.ts'
import { createClient, type Client } from '../support/client.ts'

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
