import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Json } from '../support/client.ts'
import { startReceiver, type Received } from '../support/receiver.ts'
import { eventually } from '../support/eventually.ts'
import { endAtRest, instanceClient, isoSecondsText, storingNothing, uuidText, type App } from './world.ts'

let app: App
let instance: string
let receiver: Awaited<ReturnType<typeof startReceiver>>
let answerStatus = 200
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())
beforeEach(async () => {
  answerStatus = 200
  receiver = await startReceiver(() => ({ status: answerStatus }))
  instance = await createConnectedInstance(app.admin)
  // The steps of its pairing are told before there is a webhook.
  await endAtRest(app)
  return () => receiver.close()
})

const configure = (body: object, prefix = '') =>
  app.admin.put(`${prefix}/instances/${instance}/webhook`, body)
const shown = () => app.admin.get(`/instances/${instance}/webhook`)
const incoming = (id: string, fields: object = {}) =>
  app.admin.post(`/webhooks/instance/${instance}/incoming`, { ...incomingPayload(id), ...fields })
const deliveries = async (query = ''): Promise<Json[]> =>
  (await app.admin.get(`/instances/${instance}/webhook/deliveries${query}`)).body.data.deliveries
const events = () => receiver.received.map(({ event }) => event)
const offset = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/)

describe('PUT /instances/{id}/webhook', () => {
  it.each(['', '/api/v1'])('at %s takes the body of the reference, and shows no secret', async (prefix) => {
    const body = {
      webhook_url: receiver.url,
      webhook_secret: 'your_secret_key_here',
      events: ['message.incoming', 'message.status'],
      is_active: true,
    }
    const answer = await configure(body, prefix)
    const { webhook_secret: _secret, ...view } = body
    expect(answer).toMatchObject({ status: 200 })
    expect(answer.body).toEqual({ success: true, message: 'Webhook configured', data: view })
    expect((await shown()).body).toEqual({ success: true, data: view })
    await storingNothing(app, () => configure(body, prefix))
  })
  it('at first is all events, active, with a secret that is shown once', async () => {
    expect((await shown()).status).toBe(404)
    const { body } = await configure({ webhook_url: receiver.url })
    expect(body.data).toEqual({
      webhook_url: receiver.url,
      events: null,
      is_active: true,
      webhook_secret: expect.stringMatching(/^whsec_/),
    })
    expect(JSON.stringify((await shown()).body)).not.toContain('whsec_')
    expect((await configure({ webhook_url: receiver.url, is_active: false })).body.data).toEqual({
      webhook_url: receiver.url,
      events: null,
      is_active: false,
    })
  })
  it('keeps the events that it had, and goes back to all of them by null', async () => {
    await configure({ webhook_url: receiver.url, events: ['message.deleted', 'contact.update'] })
    const kept = await configure({ webhook_url: receiver.url })
    expect(kept.body.data.events).toEqual(['message.deleted', 'contact.update'])
    expect((await configure({ webhook_url: receiver.url, events: null })).body.data.events).toBeNull()
  })
  it('may be called with the token of the instance', async () => {
    const bot = await instanceClient(app.admin, instance)
    expect((await bot.put(`/instances/${instance}/webhook`, { webhook_url: receiver.url })).status).toBe(200)
  })
  it.each([
    ['webhook_url', {}],
    ['webhook_url', { webhook_url: 'no url' }],
    ['webhook_url', { webhook_url: 'ftp://example.com/' }],
    ['webhook_url', { webhook_url: 'http://10.0.0.1/hook' }],
    ['webhook_url', { webhook_url: 'http://169.254.169.254/' }],
    ['webhook_url', { webhook_url: `https://example.com/${'x'.repeat(3000)}` }],
    ['webhook_secret', { webhook_url: 'https://example.com/', webhook_secret: 'short' }],
    ['webhook_secret', { webhook_url: 'https://example.com/', webhook_secret: 'whsec_not base64' }],
    ['events', { webhook_url: 'https://example.com/', events: [] }],
    ['events.0', { webhook_url: 'https://example.com/', events: ['message.eaten'] }],
    ['is_active', { webhook_url: 'https://example.com/', is_active: 'yes' }],
  ])('refuses a wrong %s: %j', async (field, body) => {
    const answer = await storingNothing(app, () => configure(body))
    expect(answer.status).toBe(422)
    expect(Object.keys(answer.body.error.details)).toEqual([field])
  })
})

describe('what the receiver gets', () => {
  const instance_uuid = () => instance
  const last = (): Received => {
    const received = receiver.received.at(-1)
    if (!received) throw new Error('Nothing was received')
    return received
  }

  it('message.received as the reference shows, with its headers, signed over its bytes', async () => {
    const received = { webhook_url: receiver.url, events: ['message.received'] }
    await configure({ ...received, webhook_secret: 'secret123' })
    const { body } = await incoming('3EB0ABC123456789')
    await eventually(() => expect(events()).toContain('message.received'))
    const { headers, raw, body: told } = last()
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'Zapini-Webhook/1.0',
      'x-webhook-event': 'message.received',
      'x-instance-uuid': instance,
      'x-webhook-signature': createHmac('sha256', 'secret123').update(raw).digest('hex'),
    })
    expect(told).toEqual({
      event: 'message.received',
      instance_uuid: instance_uuid(),
      timestamp: '2024-01-15T09:50:00+00:00',
      data: {
        message_id: body.data.message_id,
        whatsapp_message_id: '3EB0ABC123456789',
        sender_number: '5511999999999',
        sender_name: 'Name of 5511999999999',
        content: 'text of 3EB0ABC123456789',
        media_type: null,
        media_url: null,
        timestamp: '2024-01-15T09:50:00+00:00',
        conversation_id: expect.any(Number),
        chat_id: '5511999999999@s.whatsapp.net',
        is_group: false,
        reply_to: null,
      },
    })
  })
  it('message.sent for what the API sends and for what is typed on the phone, with its source', async () => {
    await configure({ webhook_url: receiver.url, events: ['message.sent'] })
    const bot = await instanceClient(app.admin, instance)
    const sent = await bot.post('/send-message', {
      to: '5511888888888',
      message: 'Thanks for contacting us!',
    })
    const sentData = {
      message_id: sent.body.message_uuid,
      whatsapp_message_id: sent.body.message_id,
      recipient_number: '5511888888888',
      content: 'Thanks for contacting us!',
      media_type: null,
      media_url: null,
      timestamp: offset,
      conversation_id: expect.any(Number),
      source: 'api',
    }
    await eventually(() => expect(receiver.received).toHaveLength(1))
    expect(last().body).toEqual({
      event: 'message.sent',
      instance_uuid: instance_uuid(),
      timestamp: offset,
      data: expect.objectContaining(sentData),
    })
    await incoming('P1', { key: { ...incomingPayload('P1').key, fromMe: true } })
    await eventually(() => expect(receiver.received).toHaveLength(2))
    expect(last().data).toMatchObject({ source: 'phone', recipient_number: '5511999999999' })
  })
  it('message.status, message.reaction and the connection, in the frame of the reference', async () => {
    await configure({ webhook_url: receiver.url, events: ['message.status', 'message.reaction'] })
    const bot = await instanceClient(app.admin, instance)
    const sent = await bot.post('/send-message', { to: '5511888888888', message: 'x' })
    const { message_id: id, message_uuid: uuid } = sent.body
    const key = { remoteJid: '5511888888888@s.whatsapp.net', id, fromMe: true }
    const told = { key, status: 3, messageTimestamp: 1705312200 }
    await bot.post(`/webhooks/instance/${instance}/status`, told)
    await eventually(() => expect(receiver.received).toHaveLength(1))
    expect(last().body).toEqual({
      event: 'message.status',
      instance_uuid: instance_uuid(),
      timestamp: '2024-01-15T09:50:00+00:00',
      data: {
        message_id: uuid,
        whatsapp_message_id: id,
        previous_status: 'sent',
        new_status: 'delivered',
        recipient_number: '5511888888888',
        timestamp: '2024-01-15T09:50:00+00:00',
        conversation_id: expect.any(Number),
      },
    })
    const reaction = { key: { ...key, fromMe: false, id: 'RX' }, reaction: { text: '👍', key: { id } } }
    await bot.post(`/webhooks/instance/${instance}/reaction`, reaction)
    await eventually(() => expect(receiver.received).toHaveLength(2))
    expect(last().data).toMatchObject({ message_id: uuid, emoji: '👍', sender_number: '5511888888888' })

    await configure({ webhook_url: receiver.url, events: ['connection.update'] })
    await app.admin.post(`/sandbox/instances/${instance}/disconnect`)
    await app.admin.post(`/sandbox/instances/${instance}/connect`)
    await eventually(() => expect(receiver.received).toHaveLength(4))
    expect(receiver.received.slice(2).map(({ event, data }) => [event, data['new_status']])).toEqual([
      ['connection.update', 'offline'],
      ['connection.update', 'connected'],
    ])
  })
  it('each message once, in order, however often it is posted', async () => {
    await configure({ webhook_url: receiver.url, events: ['message.received'] })
    for (const id of ['A1', 'A1', 'A1', 'A2', 'A1']) expect((await incoming(id)).status).toBe(200)
    await eventually(() => expect(receiver.received).toHaveLength(2))
    await incoming('A3')
    await eventually(() =>
      expect(receiver.received.map(({ data }) => data['whatsapp_message_id'])).toEqual(['A1', 'A2', 'A3']),
    )
  })
  it('contact.update for who writes, and for what becomes of contacts, in order', async () => {
    await configure({ webhook_url: receiver.url, events: ['message.received', 'contact.update'] })
    await incoming('C1')
    await eventually(() => expect(events()).toEqual(['message.received', 'contact.update']))
    const { contact_id: id } = last().data
    await app.admin.put(`/contacts/${String(id)}`, { name: 'Jane Smith', email: 'jane@example.com' })
    // What was not told by the time of the deletion is not told any more.
    await eventually(() => expect(receiver.received).toHaveLength(3))
    await app.admin.delete(`/contacts/${String(id)}`)
    await eventually(() => expect(receiver.received).toHaveLength(4))
    const contact = {
      contact_id: id,
      contact_uuid: uuidText,
      phone_number: '5511999999999',
      push_name: 'Name of 5511999999999',
      company: null,
      timestamp: offset,
    }
    const saved = { ...contact, name: 'Jane Smith', display_name: 'Jane Smith', email: 'jane@example.com' }
    const nobody = { phone_number: '', push_name: null, name: null, display_name: '', email: null }
    expect(receiver.received.slice(1).map(({ data }) => data)).toEqual([
      { ...contact, name: null, display_name: 'Name of 5511999999999', email: null, deleted: false },
      { ...saved, deleted: false },
      { ...contact, ...nobody, deleted: true },
    ])
  })
  it('nothing but contact.update, if that is asked for', async () => {
    await configure({ webhook_url: receiver.url, events: ['contact.update'] })
    await incoming('D1')
    await incoming('D2', { pushName: 'Another name' })
    await eventually(() => expect(last().data['push_name']).toBe('Another name'))
    expect(new Set(events())).toEqual(new Set(['contact.update']))
  })
  it('nothing while the webhook is not active', async () => {
    await configure({ webhook_url: receiver.url, is_active: false })
    await incoming('N1')
    await endAtRest(app)
    await configure({ webhook_url: receiver.url, is_active: true, events: ['message.received'] })
    await incoming('N2')
    await eventually(() => expect(receiver.received).toHaveLength(1))
    expect(last().data['whatsapp_message_id']).toBe('N2')
  })
})

describe('deliveries', () => {
  it('are listed with every attempt, and a dead one is delivered when asked for again', async () => {
    answerStatus = 500
    await configure({ webhook_url: receiver.url, events: ['message.received'] })
    await incoming('L1')
    await vi.waitFor(async () => expect(await deliveries('?state=dead')).toHaveLength(1), 10_000)
    const [dead] = await deliveries()
    expect(dead).toMatchObject({
      id: expect.any(Number),
      event_id: uuidText,
      event: 'message.received',
      state: 'dead',
      next_attempt_at: null,
      created_at: isoSecondsText,
      finished_at: isoSecondsText,
      payload: { event: 'message.received', data: { whatsapp_message_id: 'L1' } },
    })
    expect(dead.attempts).toHaveLength(6)
    expect(dead.attempts[0]).toMatchObject({ number: 1, status: 500 })

    answerStatus = 200
    const again = await app.admin.post(`/webhooks/deliveries/${dead.id}/redeliver`)
    expect(again).toMatchObject({ status: 202, body: { success: true, message: 'The delivery is due' } })
    await eventually(async () => expect(await deliveries('?state=delivered')).toHaveLength(1))
    expect(receiver.received.at(-1)?.headers['webhook-id']).toBe(receiver.received[0]?.headers['webhook-id'])
    expect(await deliveries(`?before_id=${dead.id}`)).toEqual([])
  })
  it.each(['99999', 'x', '9'.repeat(20), '0'])('has none with the id %s', async (id) => {
    const { status } = await app.admin.post(`/webhooks/deliveries/${id}/redeliver`)
    expect(status).toBe(id === '99999' ? 404 : 422)
  })
})
