import { inflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Json } from '../support/client.ts'
import { instanceClient, isoSecondsText, storingNothing, uuidText, type App } from './world.ts'
import { eventually } from '../support/eventually.ts'

let app: App
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

/** A new instance whose code waits to be scanned. */
const createUnpaired = async (name = 'unpaired'): Promise<{ uuid: string; id: number }> => {
  const { body } = await app.admin.post('/instances', { name, provider: 'sandbox' })
  const { uuid } = body.data.instance
  await eventually(async () => expect((await show(uuid)).status).toBe('qr_ready'))
  return body.data.instance
}
const show = async (ref: string | number): Promise<Json> =>
  (await app.admin.get(`/instances/${ref}`)).body.data
const scan = (id: string, body: object = {}) => app.admin.post(`/sandbox/instances/${id}/scan`, body)

/** Width, height and pixels (four bytes each, one more before each line) of a PNG, its chunks put together. */
const decodePng = (base64: string) => {
  const png = Buffer.from(base64, 'base64')
  expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n')
  const data: Buffer[] = []
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)))
  return {
    width: png.readUInt32BE(16),
    height: png.readUInt32BE(20),
    pixels: inflateSync(Buffer.concat(data)),
  }
}

const documented = {
  uuid: uuidText,
  phone_number: '5511999999999',
  status: 'connected',
  connected: true,
  messages_sent_today: 0,
  daily_limit: null,
  remaining_quota: null,
  can_send_messages: true,
  last_activity_at: null,
}
const beside = {
  id: expect.any(Number),
  name: 'Support',
  provider: 'sandbox',
  import_history: false,
  created_at: isoSecondsText,
}

describe('what there is', () => {
  it('a new instance has a secret for its hooks, shown once', async () => {
    const { status, body } = await app.admin.post('/api/v1/instances', { name: 'Fresh' })
    expect(status).toBe(201)
    expect(body).toMatchObject({
      success: true,
      data: { instance: { name: 'Fresh', provider: 'sandbox', connected: false, phone_number: null } },
    })
    expect(body.data.hook_secret.length).toBeGreaterThan(20)
    const listed = JSON.stringify((await app.admin.get('/instances')).body)
    expect(listed).not.toContain(body.data.hook_secret)
  })
  it.each(['', '/api/v1'])('the list at %s/instances is as the reference shows', async (prefix) => {
    const { uuid } = await createUnpaired('Support')
    await scan(uuid, { phone_number: '5511999999999' })
    const { body } = await app.admin.get(`${prefix}/instances?status=connected`)
    const listed = body.data.instances.find((instance: Json) => instance.uuid === uuid)
    expect(body.success).toBe(true)
    expect(listed).toEqual({ ...documented, ...beside })
    expect(await show(uuid)).toEqual(listed)
  })
  it('the list is filtered by status', async () => {
    const waiting = await createUnpaired()
    const connected = await createConnectedInstance(app.admin)
    const idsOf = async (status: string) =>
      (await app.admin.get(`/instances?status=${status}`)).body.data.instances.map(({ uuid }: Json) => uuid)
    expect(await idsOf('qr_ready')).toContain(waiting.uuid)
    expect(await idsOf('qr_ready')).not.toContain(connected)
    expect(await idsOf('connected')).not.toContain(waiting.uuid)
    expect((await app.admin.get('/instances?status=asleep')).status).toBe(422)
  })
  it('an instance is found by UUID in any case and by number; another is not found', async () => {
    const { uuid, id } = await createUnpaired()
    expect((await show(id)).uuid).toBe(uuid)
    expect((await show(uuid.toUpperCase())).id).toBe(id)
    for (const ref of ['0', '99999', 'x', '0190d0a0-0000-7000-8000-00000000000a']) {
      const { status, body } = await app.admin.get(`/instances/${ref}`)
      expect(status).toBe(404)
      expect(body.error).toEqual({ code: 'NOT_FOUND', message: 'Instance not found.', details: {} })
    }
  })
})

describe('the QR code', () => {
  it('is answered as text and as a PNG, as the reference shows', async () => {
    const { uuid } = await createUnpaired()
    const { body } = await app.admin.get(`/instances/${uuid}/qr`)
    expect(body).toEqual({
      success: true,
      data: {
        status: 'qr_ready',
        qr_code: expect.stringMatching(/^data:image\/png;base64,/),
        qr_code_text: expect.stringMatching(/^2@/),
        qr_generated_at: isoSecondsText,
        qr_expired: false,
        message: 'QR code ready to scan',
      },
    })
    const { width, height, pixels } = decodePng(body.data.qr_code.split(',')[1])
    expect(width).toBe(height)
    expect(pixels.length).toBe((4 * width + 1) * height)
    expect(new Set(pixels).size).toBeGreaterThan(1)
  })
  it('of the token’s instance is answered by GET /qr while it can be scanned, only', async () => {
    const { uuid } = await createUnpaired()
    const bot = await instanceClient(app.admin, uuid)
    const { status, body } = await bot.get('/qr')
    expect(status).toBe(200)
    expect(body).toEqual({ success: true, qr: expect.stringMatching(/^2@/), status: 'qr_ready' })
    await scan(uuid)
    const after = await bot.get('/qr')
    expect(after.status).toBe(404)
    expect(after.body.error).toMatchObject({ code: 'QR_NOT_AVAILABLE', details: { status: 'connected' } })
  })
  it('is gone once the instance is connected', async () => {
    const instance = await createConnectedInstance(app.admin)
    expect((await app.admin.get(`/instances/${instance}/qr`)).body.data).toEqual({
      status: 'connected',
      qr_code: null,
      qr_code_text: null,
      qr_generated_at: null,
      qr_expired: false,
      message: 'The instance is already connected',
    })
  })
})

describe('status', () => {
  it('of the token’s instance is as the reference shows', async () => {
    const { uuid } = await createUnpaired()
    await scan(uuid, { phone_number: '+55 11 99999-9998', name: 'Meu WhatsApp' })
    const { status, body } = await (await instanceClient(app.admin, uuid)).get('/status')
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      status: 'connected',
      phone: '5511999999998',
      name: 'Meu WhatsApp',
      platform: 'sandbox',
    })
  })
  it('is what was recorded, or with realtime what the connection itself says', async () => {
    const uuid = await createConnectedInstance(app.admin)
    const statusOf = async (query: string) =>
      (await app.admin.get(`/instances/${uuid}/status${query}`)).body.data
    const phone_number = expect.stringMatching(/^55\d+$/)
    const connected = { uuid, status: 'connected', connected: true, phone_number }
    expect(await statusOf('')).toEqual({ ...connected, realtime: false })
    expect(await statusOf('?realtime=true')).toEqual({ ...connected, realtime: true })
    await app.admin.post(`/webhooks/instance/${uuid}/connection`, { status: 'offline' })
    expect(await statusOf('?realtime=false')).toMatchObject({ status: 'offline', connected: false })
    expect(await statusOf('?realtime=1')).toMatchObject({ status: 'connected', connected: true })
  })
})

describe('stats', () => {
  it('count what was sent and received, reactions aside', async () => {
    const instance = await createConnectedInstance(app.admin)
    const bot = await instanceClient(app.admin, instance)
    for (const recipient of ['5511900000001', '5511900000002', '5511900000002'])
      expect((await bot.post('/send-message', { recipient, message: 'counted' })).status).toBe(200)
    await bot.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('C1', '5511900000001'))
    await bot.post('/send-reaction', { to: '5511900000001', messageId: 'C1', emoji: '👍' })
    await bot.post(`/sandbox/instances/${instance}/incoming`, {
      from: '5511900000003',
      group: 'Family',
      text: 'counted too',
    })
    await eventually(async () =>
      expect((await app.admin.get(`/instances/${instance}/stats`)).body).toEqual({
        success: true,
        data: {
          messages_sent_today: 3,
          remaining_quota: null,
          daily_limit: null,
          messages_this_week: 3,
          messages_this_month: 3,
          messages_received_today: 2,
          conversations_count: 3,
          contacts_count: 2,
        },
      }),
    )
    expect(await show(instance)).toMatchObject({ messages_sent_today: 3, last_activity_at: isoSecondsText })
  })
})

describe('the life of an instance', () => {
  it('disconnected it sends nothing; reconnected it needs no new code', async () => {
    const instance = await createConnectedInstance(app.admin)
    const post = (action: string) => app.admin.post(`/instances/${instance}/${action}`)
    const send = () =>
      app.admin.post('/send-message', { instance_id: instance, recipient: '5511900000001', message: 'x' })
    expect(await post('disconnect')).toMatchObject({ status: 200, body: { success: true } })
    expect(await show(instance)).toMatchObject({
      status: 'disconnected',
      connected: false,
      can_send_messages: false,
    })
    expect((await send()).body.error.code).toBe('INSTANCE_NOT_CONNECTED')
    expect((await storingNothing(app, () => post('disconnect'))).status).toBe(200)

    expect(await post('reconnect')).toMatchObject({ status: 200, body: { success: true } })
    await eventually(async () => expect((await show(instance)).status).toBe('connected'))
    expect((await send()).status).toBe(200)
    expect((await storingNothing(app, () => post('reconnect'))).status).toBe(200)
  })
  it('deleted it is gone at once, and so is what its tokens open', async () => {
    const instance = await createConnectedInstance(app.admin)
    const bot = await instanceClient(app.admin, instance)
    expect((await bot.get('/status')).status).toBe(200)
    expect((await app.admin.delete(`/instances/${instance}`)).status).toBe(200)
    expect((await bot.get('/status')).status).toBe(401)
    await storingNothing(app, async () => {
      for (const [method, path] of [
        ['GET', `/instances/${instance}`],
        ['DELETE', `/instances/${instance}`],
        ['POST', `/instances/${instance}/reconnect`],
      ] as const)
        expect((await app.admin.call(method, path)).status).toBe(404)
      const hook = await app.admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('D1'))
      expect(hook.status).toBe(404)
    })
  })
})
