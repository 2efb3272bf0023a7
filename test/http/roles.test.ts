import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Client } from '../support/client.ts'
import { instanceClient, userClient, type App } from './world.ts'

let app: App
let instance: string
let callers: Readonly<Record<string, Client>>
beforeAll(async () => {
  app = await startApp()
  instance = await createConnectedInstance(app.admin)
  callers = {
    admin: app.admin,
    agent: await userClient(app, 'agent'),
    viewer: await userClient(app, 'viewer'),
    sk_: await instanceClient(app.admin, instance),
  }
})
afterAll(() => app.stop())

/** Whom each call is open to. */
type Call = readonly [method: string, path: string, open: string, body: (() => object) | undefined]
const calls: readonly Call[] = [
  ['GET', '/auth/me', 'admin agent viewer', undefined],
  ['GET', '/instances', 'admin agent viewer sk_', undefined],
  ['GET', '/instances/{id}/stats', 'admin agent viewer sk_', undefined],
  ['GET', '/stats', 'admin agent viewer sk_', undefined],
  ['GET', '/conversations', 'admin agent viewer sk_', undefined],
  ['POST', '/send-message', 'admin agent sk_', () => ({ recipient: '5511999999999', message: 'x' })],
  ['POST', '/instances', 'admin', () => ({ name: 'new' })],
  ['PATCH', '/instances/{id}', 'admin', () => ({ name: 'renamed' })],
  ['POST', '/instances/{id}/tokens', 'admin', () => ({ name: 'new' })],
  ['POST', '/instances/{id}/disconnect', 'admin sk_', undefined],
  ['GET', '/users', 'admin', undefined],
  ['POST', '/users', 'admin', () => ({ name: 'x', email: `${newId()}@example.com`, role: 'viewer' })],
  ['GET', '/users/{user}', 'admin', undefined],
  ['PATCH', '/users/{user}', 'admin', () => ({ name: 'x' })],
  ['POST', '/users/{user}/reset-password', 'admin', undefined],
  ['POST', '/users/{user}/disable', 'admin', undefined],
]

describe('a call is open to those whose role allows it, and 403 for all others', () => {
  it.each(calls)('%s %s: %s', async (method, path, open, body) => {
    const person = { name: 'x', email: `${newId()}@example.com`, role: 'viewer' }
    const user = (await app.admin.post('/users', person)).body.data.user.uuid
    const address = path.replace('{id}', instance).replace('{user}', user)
    for (const [who, client] of Object.entries(callers)) {
      const fields = body?.() ?? (method === 'POST' ? {} : undefined)
      const sent = path === '/send-message' ? { ...fields, instance_id: instance } : fields
      const { status } = await client.call(method, address, sent)
      if (open.split(' ').includes(who)) expect([200, 201], who).toContain(status)
      else expect(status, who).toBe(403)
      if (path.endsWith('/disconnect')) await app.admin.post(`/instances/${instance}/reconnect`)
    }
  })
})
