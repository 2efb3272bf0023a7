import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import { NO_STREAM } from '../../src/ports/event-store.ts'
import { startApp } from '../support/app.ts'
import { createClient, incomingPayload, login } from '../support/client.ts'
import { addTenant, instanceClient, isoSecondsText, operatorOf, storingNothing, uuidText } from './world.ts'
import type { App } from './world.ts'

let app: App
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

const acme = (email: string) => ({
  name: 'Acme',
  time_zone: 'America/Sao_Paulo',
  admin: { name: 'Ana', email, password: 'a long password' },
})

describe('the operator', () => {
  it('creates a tenant whose administrator can log in', async () => {
    const { status, body } = await operatorOf(app).post('/tenants', acme('Ana@Acme.example'))
    expect(status).toBe(201)
    const tenant = {
      uuid: uuidText,
      id: expect.any(Number),
      name: 'Acme',
      time_zone: 'America/Sao_Paulo',
      disabled: false,
      created_at: isoSecondsText,
    }
    expect(body).toEqual({ success: true, message: 'Tenant created', data: { tenant } })
    const ana = await login(app.url, 'ana@acme.example', 'a long password')
    expect((await ana.get('/auth/me')).body.data).toEqual({
      user: { id: expect.any(Number), name: 'Ana', email: 'ana@acme.example', role: 'admin' },
      tenant: { id: body.data.tenant.id, name: 'Acme', time_zone: 'America/Sao_Paulo' },
    })
    expect((await ana.get('/instances')).body.data.instances).toEqual([])
    const listed = await operatorOf(app).get('/tenants')
    expect(listed.body.data.tenants).toContainEqual(body.data.tenant)
  })
  it('cannot give an address two accounts, and then no tenant is left behind', async () => {
    await operatorOf(app).post('/tenants', acme('taken@acme.example'))
    const again = () => operatorOf(app).post('/tenants', acme('TAKEN@acme.example'))
    const { status, body } = await storingNothing(app, again)
    expect(status).toBe(409)
    expect(body.error.code).toBe('CONFLICT')
  })
  it.each([
    ['time_zone', { ...acme('x@acme.example'), time_zone: 'Mars/Olympus' }],
    ['name', { ...acme('x@acme.example'), name: '' }],
    ['admin', { name: 'Acme' }],
    ['admin.email', acme('no address')],
    ['admin.password', { name: 'Acme', admin: { name: 'Ana', email: 'x@acme.example', password: 'short' } }],
  ])('is told what is wrong with %s', async (field, tenant) => {
    const { status, body } = await storingNothing(app, () => operatorOf(app).post('/tenants', tenant))
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual([field])
  })
  it('is nobody but the holder of OPERATOR_TOKEN', async () => {
    await storingNothing(app, async () => {
      for (const client of [app.admin, createClient(app.url), createClient(app.url, 'guess')]) {
        expect((await client.get('/tenants')).status).toBe(401)
        expect((await client.post('/tenants', acme('y@acme.example'))).status).toBe(401)
      }
    })
    expect((await operatorOf(app).get('/instances')).status).toBe(401)
  })
  it('does not exist without OPERATOR_TOKEN', async () => {
    const closed = await startApp({ OPERATOR_TOKEN: '' })
    try {
      for (const client of [closed.admin, operatorOf(closed), createClient(closed.url, 'undefined')])
        expect((await client.get('/tenants')).status).toBe(404)
    } finally {
      await closed.stop()
    }
  })
})

describe('a disabled tenant', () => {
  it('gets 403 with every token and signature at once, until it is enabled again', async () => {
    const { tenant, admin, client } = await addTenant(app, 'sleepy')
    const created = await client.post('/instances', { name: 'hooked' })
    const { instance, hook_secret: secret } = created.body.data
    const bot = await instanceClient(client, instance.uuid)
    const posting = (id: string) => {
      const body = JSON.stringify(incomingPayload(id))
      return createClient(app.url).call('POST', `/webhooks/instance/${instance.uuid}/incoming`, body, {
        'content-type': 'application/json',
        'x-webhook-signature': createHmac('sha256', secret).update(body).digest('hex'),
      })
    }
    const calls = [
      () => client.get('/auth/me'),
      () => bot.get('/status'),
      () => posting('D1'),
      () => createClient(app.url).post('/auth/login', admin),
    ]
    for (const call of calls) expect((await call()).status).toBe(200)

    const disabled = await operatorOf(app).post(`/tenants/${tenant.uuid}/disable`)
    expect(disabled.body.data.tenant).toMatchObject({ uuid: tenant.uuid, disabled: true })
    await storingNothing(app, async () => {
      for (const call of calls) {
        const { status, body } = await call()
        expect(status).toBe(403)
        expect(body.error.code).toBe('TENANT_DISABLED')
      }
      const wrong = await createClient(app.url).post('/auth/login', { ...admin, password: 'wrong' })
      expect(wrong.body.error.code).toBe('INVALID_CREDENTIALS')
      expect((await operatorOf(app).post(`/tenants/${tenant.uuid}/disable`)).status).toBe(200)
    })
    expect((await app.admin.get('/auth/me')).status).toBe(200)

    expect((await operatorOf(app).post(`/tenants/${tenant.id}/enable`)).status).toBe(200)
    for (const call of calls) expect((await call()).status).toBe(200)
  })
  it('has to be there', async () => {
    for (const ref of ['0190d0a0-0000-7000-8000-00000000000a', '99999', 'x']) {
      const answer = await storingNothing(app, () => operatorOf(app).post(`/tenants/${ref}/disable`))
      expect(answer.status).toBe(404)
    }
  })
})

describe('the days of a tenant', () => {
  /** A zone in which it is this hour now. */
  const zoneAt = (hour: number) => {
    const ahead = hour - new Date().getUTCHours()
    const hours = ahead < -12 ? ahead + 24 : ahead > 12 ? ahead - 24 : ahead
    return `Etc/GMT${hours > 0 ? '-' : '+'}${Math.abs(hours)}`
  }
  const recordSent = async (tenant: string, instanceId: string, minutesAgo: number) => {
    const at = new Date(Date.now() - minutesAgo * 60_000).toISOString()
    const data = { instanceId, conversationId: newId(), kind: 'text', at }
    const meta = { tenant, actor: { kind: 'gateway' }, correlation: 'test', version: 1, at } as const
    const sent = { id: newId(), type: 'MessageSent', data, meta }
    const position = await app.store.append(`message-${newId()}`, NO_STREAM, [sent])
    await app.readModels.reached(position, 5000, 'instanceActivity')
  }
  it.each([
    ['shortly after midnight', 0, 1],
    ['at noon', 12, 2],
  ])('are those of its time zone: %s', async (when, hour, today) => {
    const { tenant, client } = await addTenant(app, `zone${hour}`, { time_zone: zoneAt(hour) })
    const { body } = await client.post('/instances', { name: when })
    const { uuid } = body.data.instance
    await recordSent(tenant.uuid, uuid, 0)
    await recordSent(tenant.uuid, uuid, 90)
    expect((await client.get(`/instances/${uuid}/stats`)).body.data.messages_sent_today).toBe(today)
  })
})
