import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Role } from '../../src/domain/user.ts'
import { ADMIN, startApp } from '../support/app.ts'
import { createClient, login, type Client } from '../support/client.ts'
import { isoSecondsText, storingNothing, userClient, uuidText, type App } from './world.ts'

let app: App
let nobody: Client
beforeAll(async () => {
  app = await startApp()
  nobody = createClient(app.url)
})
afterAll(() => app.stop())

const administrator = { id: expect.any(Number), name: 'Administrator', email: ADMIN.email, role: 'admin' }
const newLogin = () => login(app.url, ADMIN.email, ADMIN.password)

describe('POST /auth/login', () => {
  it.each(['', '/api/v1'])('answers as the reference shows, at %s/auth/login', async (prefix) => {
    const { status, body } = await nobody.post(`${prefix}/auth/login`, { ...ADMIN, device_name: 'My App' })
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      message: 'Login successful',
      data: {
        user: administrator,
        token: expect.stringMatching(/^\d+\|[\w-]{43}$/),
        token_type: 'Bearer',
        expires_at: isoSecondsText,
      },
    })
  })
  it('takes the address whatever its letter case', async () => {
    const { status } = await nobody.post('/auth/login', { ...ADMIN, email: ' ADMIN@Example.COM ' })
    expect(status).toBe(200)
  })
  it('gives a wrong password and an unknown address the same answer, and stores nothing', async () => {
    const attempts = [
      { ...ADMIN, password: 'wrong' },
      { ...ADMIN, email: 'nobody@example.com' },
    ]
    const answers = await storingNothing(app, async () => [
      await nobody.post('/auth/login', attempts[0]),
      await nobody.post('/auth/login', attempts[1]),
    ])
    for (const { status, body } of answers) {
      expect(status).toBe(401)
      expect(body).toEqual({
        success: false,
        error: {
          code: 'INVALID_CREDENTIALS',
          message: 'The e-mail address or the password is wrong.',
          details: {},
        },
      })
    }
  })
  it('names the fields that are missing or wrong', async () => {
    const { status, body } = await nobody.post('/auth/login', { password: 5 })
    expect(status).toBe(422)
    expect(body.error.details).toEqual({ email: ['is required'], password: ['must be text'] })
  })
})

describe('GET /auth/me', () => {
  it('answers the user and the account', async () => {
    const { status, body } = await app.admin.get('/auth/me')
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      data: {
        user: administrator,
        tenant: { id: expect.any(Number), name: 'Default', time_zone: 'UTC' },
      },
    })
  })
  it.each([
    ['none', undefined],
    ['an unknown one', '1|0123456789012345678901234567890123456789012'],
    ['an unknown one of an instance', 'sk_0123456789012345678901234567890123456789012'],
    ['one far too long', 'x'.repeat(1000)],
  ])('refuses a token like %s with 401', async (_what, token) => {
    const { status, body, headers } = await createClient(app.url, token).get('/auth/me')
    expect(status).toBe(401)
    expect(body.error.code).toBe('UNAUTHENTICATED')
    expect(headers.get('www-authenticate')).toBe('Bearer')
  })
  it('refuses another scheme than Bearer', async () => {
    const basic = { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` }
    expect((await nobody.call('GET', '/auth/me', undefined, basic)).status).toBe(401)
  })
})

describe('the life of a token', () => {
  it('logout revokes this token at once, and no other', async () => {
    const [leaving, staying] = [await newLogin(), await newLogin()]
    expect((await leaving.get('/auth/me')).status).toBe(200)
    const { status, body } = await leaving.post('/auth/logout')
    expect({ status, body }).toEqual({ status: 200, body: { success: true, message: 'Logged out' } })
    expect((await leaving.get('/auth/me')).status).toBe(401)
    expect((await staying.get('/auth/me')).status).toBe(200)
  })
  it('refresh gives a new token and revokes the old one at once', async () => {
    const old = await newLogin()
    const { status, body } = await old.post('/auth/refresh')
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      message: 'Token refreshed',
      data: { token: expect.any(String), token_type: 'Bearer', expires_at: isoSecondsText },
    })
    expect((await old.get('/auth/me')).status).toBe(401)
    expect((await old.as(body.data.token).get('/auth/me')).body.data.user).toEqual(administrator)
  })
  it('what a user does is recorded in the name of that user', async () => {
    const { body } = await app.admin.post('/instances', { name: 'who made me' })
    const [created] = await app.store.readStream(`instance-${body.data.instance.uuid}`)
    expect(created?.meta).toMatchObject({ actor: { kind: 'user', id: uuidText }, tenant: uuidText })
  })
  it('neither the token nor the password is anywhere in the log, and the address not to be read', async () => {
    const { body } = await nobody.post('/auth/login', ADMIN)
    const { rows } = await app.pool.query('select data::text as data from event')
    const log = rows.map(({ data }: { data: string }) => data).join('\n')
    expect(log).toContain('"role":"admin"')
    expect(log).not.toContain(ADMIN.email)
    expect(log).not.toContain(body.data.token.split('|')[1])
    expect(log).not.toContain(ADMIN.password)
  })
})

describe('roles', () => {
  const calls = {
    'read instances': ['GET', '/instances'],
    'read conversations': ['GET', '/conversations'],
    'read the webhook': ['GET', '/instances/9/webhook'],
    'read the account': ['GET', '/auth/me'],
    'send messages': ['POST', '/send-message'],
    'mark as read': ['POST', '/conversations/9/mark-read'],
    'use the sandbox': ['POST', '/sandbox/instances/9/incoming'],
    'create instances': ['POST', '/instances'],
    'delete instances': ['DELETE', '/instances/9'],
    'disconnect instances': ['POST', '/instances/9/disconnect'],
    'set the webhook': ['PUT', '/instances/9/webhook'],
    'deliver again': ['POST', '/webhooks/deliveries/9/redeliver'],
    'create tokens': ['POST', '/instances/9/tokens'],
    'list tokens': ['GET', '/instances/9/tokens'],
    'post to the hooks': ['POST', '/webhooks/instance/9/incoming'],
  } as const
  type Call = keyof typeof calls
  const reading: Call[] = ['read instances', 'read conversations', 'read the webhook', 'read the account']
  const may: Record<Role, readonly Call[]> = {
    admin: Object.keys(calls) as Call[],
    agent: [...reading, 'send messages', 'mark as read', 'use the sandbox'],
    viewer: reading,
  }

  it.each(['admin', 'agent', 'viewer'] as const)('%s may do what the role allows, no more', async (role) => {
    const client = await userClient(app, role)
    await storingNothing(app, async () => {
      for (const call of Object.keys(calls) as Call[]) {
        const [method, path] = calls[call]
        const { status } = await client.call(method, path, method === 'GET' ? undefined : {})
        expect(status === 403, `${role}, ${call}: ${status}`).toBe(!may[role].includes(call))
      }
    })
  })
  it('a refusal names the permission that is missing', async () => {
    const { body } = await (await userClient(app, 'viewer')).post('/send-message', {})
    expect(body.error).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('messages:send'),
    })
  })
})
