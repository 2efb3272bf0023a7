import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Client, type Json } from '../support/client.ts'
import { addTenant, instanceClient, isoSecondsText, storingNothing, uuidText, type App } from './world.ts'

let app: App
let instance: string
let other: string
beforeAll(async () => {
  app = await startApp()
  instance = await createConnectedInstance(app.admin, 'one')
  other = await createConnectedInstance(app.admin, 'other')
})
afterAll(() => app.stop())

const create = (body: object, of = instance) => app.admin.post(`/instances/${of}/tokens`, body)
const list = async () => (await app.admin.get(`/instances/${instance}/tokens`)).body.data.tokens
const secondsFromNow = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()

describe('the life of a token', () => {
  it('shows its secret once', async () => {
    const { status, body } = await create({ name: 'CRM', expires_at: '2030-01-15T10:30:00-03:00' })
    expect(status).toBe(201)
    const { token, ...rest } = body.data
    expect(token).toMatch(/^sk_[\w-]{43}$/)
    expect(rest).toEqual({
      id: expect.any(Number),
      name: 'CRM',
      expires_at: '2030-01-15T13:30:00Z',
      created_at: isoSecondsText,
    })
    expect(await list()).toContainEqual(rest)
    expect(JSON.stringify(await list())).not.toContain(token.slice(3))
  })
  it('revoked it is refused at once, and no longer listed', async () => {
    const { body } = await create({ name: 'leaving' })
    const bot = app.admin.as(body.data.token)
    expect((await bot.get('/status')).status).toBe(200)
    const revoked = await app.admin.delete(`/instances/${instance}/tokens/${body.data.id}`)
    expect(revoked).toMatchObject({ status: 200, body: { success: true, message: 'Token revoked' } })
    expect((await bot.get('/status')).status).toBe(401)
    expect((await list()).map(({ id }: Json) => id)).not.toContain(body.data.id)
    const again = () => app.admin.delete(`/instances/${instance}/tokens/${body.data.id}`)
    expect((await storingNothing(app, again)).status).toBe(404)
  })
  it('expired it is refused, though it was just in use', async () => {
    const { body } = await create({ name: 'short', expires_at: secondsFromNow(1) })
    const bot = app.admin.as(body.data.token)
    expect((await bot.get('/status')).status).toBe(200)
    await vi.waitFor(async () => expect((await bot.get('/status')).status).toBe(401), 5000)
  })
  it('cannot be made for the past, without a name, or for an instance that is not there', async () => {
    await storingNothing(app, async () => {
      const past = await create({ name: 'late', expires_at: secondsFromNow(-1) })
      expect(past.status).toBe(422)
      expect(past.body.error.details).toEqual({ expires_at: ['must be in the future'] })
      expect((await create({})).body.error.details).toEqual({ name: ['is required'] })
      expect((await create({ name: 'x' }, '99999')).status).toBe(404)
    })
  })
  it('of one instance cannot be revoked by way of another', async () => {
    const { body } = await create({ name: 'mine' })
    const attempt = () => app.admin.delete(`/instances/${other}/tokens/${body.data.id}`)
    expect((await storingNothing(app, attempt)).status).toBe(404)
    expect((await app.admin.as(body.data.token).get('/status')).status).toBe(200)
  })
})

describe('the token of an instance', () => {
  let bot: Client
  beforeAll(async () => {
    bot = await instanceClient(app.admin, instance)
  })
  it('sees its own instance only', async () => {
    const { body } = await bot.get('/instances')
    expect(body.data.instances.map(({ uuid }: Json) => uuid)).toEqual([instance])
    expect((await bot.get(`/instances/${instance}`)).status).toBe(200)
    expect((await bot.get(`/instances/${other}`)).status).toBe(404)
    expect((await bot.get(`/conversations?instance_id=${other}`)).status).toBe(404)
  })
  it('never sends as another instance, whatever it asks for', async () => {
    const send = () =>
      bot.post('/send-message', { instance_id: other, recipient: '5511900000001', message: 'x' })
    expect((await storingNothing(app, send)).status).toBe(404)
  })
  it.each([
    ['GET', '/auth/me'],
    ['POST', '/auth/logout'],
    ['POST', '/auth/refresh'],
    ['POST', '/instances'],
    ['DELETE', '/instances/own'],
    ['GET', '/instances/own/tokens'],
    ['POST', '/instances/own/tokens'],
  ])('may not %s %s, which concerns the whole account', async (method, path) => {
    const call = () =>
      bot.call(method, path.replace('own', instance), method === 'POST' ? { name: 'x' } : undefined)
    const { status, body } = await storingNothing(app, call)
    expect(status).toBe(403)
    expect(body.error.code).toBe('FORBIDDEN')
  })
  it('leaves its own name on what it does', async () => {
    const { body } = await bot.post('/send-message', { recipient: '5511900000001', message: 'signed' })
    const [queued] = await app.store.readStream(`message-${body.message_uuid}`)
    expect(queued?.meta.actor).toEqual({ kind: 'token', id: uuidText })
  })
})

/** As a client asks that reaches the server by this name. */
const statusAtHost = (client: Client, authorization: string, host: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    const headers = { host, authorization }
    request(`${client.url}/status`, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })

describe('which instance a call means', () => {
  it('with a user’s token: the one named by UUID or number, in query or body', async () => {
    const { body: shown } = await app.admin.get(`/instances/${other}`)
    for (const ref of [other, String(shown.data.id)]) {
      const { body } = await app.admin.get(`/status?instance_id=${ref}`)
      expect(body.phone).toBe(shown.data.phone_number)
      const message = { instance_id: ref, recipient: '5511900000009', message: `to ${ref}` }
      expect((await app.admin.post('/send-message', message)).status).toBe(200)
    }
    const outbox = (await app.admin.get(`/sandbox/instances/${other}/outbox`)).body.data.messages
    expect(outbox.map(({ text }: Json) => text)).toEqual([`to ${other}`, `to ${shown.data.id}`])
  })
  it('else the one in the host’s name', async () => {
    const { body } = await app.admin.post('/auth/login', {
      email: 'admin@example.com',
      password: 'a long password',
    })
    const bearer = `Bearer ${body.data.token}`
    const { id } = (await app.admin.get(`/instances/${other}`)).body.data
    expect(await statusAtHost(app.admin, bearer, `instance-${other}.zapini.app`)).toBe(200)
    expect(await statusAtHost(app.admin, bearer, `Instance-${id}.zapini.app:8080`)).toBe(200)
    expect(await statusAtHost(app.admin, bearer, 'instance-99999.zapini.app')).toBe(404)
  })
  it('else it has to be said, where there are several', async () => {
    const send = () => app.admin.post('/send-message', { recipient: '5511900000009', message: 'x' })
    const { status, body } = await storingNothing(app, send)
    expect(status).toBe(422)
    expect(body.error).toMatchObject({
      code: 'INSTANCE_REQUIRED',
      details: { instance_id: [expect.any(String)] },
    })
  })
  it('else the only one there is', async () => {
    const { client } = await addTenant(app, 'lonely')
    expect((await client.get('/status')).body.error.code).toBe('INSTANCE_REQUIRED')
    await createConnectedInstance(client)
    expect((await client.get('/status')).body.status).toBe('connected')
    expect((await client.post('/send-message', { to: '5511900000009', message: 'x' })).status).toBe(200)
  })
})
