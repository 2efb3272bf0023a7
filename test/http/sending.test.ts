import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Client, type Json } from '../support/client.ts'
import { instanceClient, storingNothing, type App } from './world.ts'
import { eventually } from '../support/eventually.ts'

let app: App
let instance: string
let bot: Client
beforeAll(async () => {
  app = await startApp({ SEND_TIMEOUT_SECONDS: '1' })
})
afterAll(() => app.stop())
beforeEach(async () => {
  instance = await createConnectedInstance(app.admin)
  bot = await instanceClient(app.admin, instance)
})

const phone = (action: string, body: object = {}) =>
  bot.post(`/sandbox/instances/${instance}/${action}`, body)
const outbox = async (): Promise<Json[]> =>
  (await bot.get(`/sandbox/instances/${instance}/outbox`)).body.data.messages
const texts = async () => (await outbox()).map(({ text }) => text)
const send = (message: string, fields: object = {}, key?: string) =>
  bot.post(
    '/send-message',
    { recipient: '5511999999999', message, ...fields },
    key === undefined ? {} : { 'idempotency-key': key },
  )
const statusOf = async (uuid: string) => {
  const { body } = await bot.get('/conversations')
  const messages = await Promise.all(
    body.data.map(
      async ({ id }: Json) => (await bot.get(`/conversations/${id}/messages`)).body.data.messages,
    ),
  )
  return messages.flat().find(({ unique_id }: Json) => unique_id === uuid)?.status
}

describe('the same Idempotency-Key', () => {
  it('three times, one after another: one message and three equal answers', async () => {
    const answers = [await send('once', {}, 'k1'), await send('once', {}, 'k1'), await send('once', {}, 'k1')]
    for (const { status, body } of answers) {
      expect(status).toBe(200)
      expect(body).toEqual(answers[0]?.body)
    }
    expect(await texts()).toEqual(['once'])
  })
  it('ten times at once: one message and ten equal answers', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => send('at once', {}, 'k2')))
    for (const { status, body } of answers) {
      expect(status).toBe(200)
      expect(body).toEqual(answers[0]?.body)
    }
    expect(await outbox()).toMatchObject([{ text: 'at once', times_received: 1 }])
  })
  it('with another text, recipient or kind is refused, and nothing of it is stored', async () => {
    await send('first', {}, 'k3')
    const others = [
      () => send('second', {}, 'k3'),
      () => send('first', { recipient: '5511988888888' }, 'k3'),
      () =>
        bot.post(
          '/send-media',
          { to: '5511999999999', url: 'https://example.com/a.jpg', type: 'image' },
          { 'idempotency-key': 'k3' },
        ),
    ]
    for (const other of others) {
      const { status, body } = await storingNothing(app, other)
      expect(status).toBe(409)
      expect(body.error.code).toBe('IDEMPOTENCY_KEY_REUSED')
    }
    expect(await texts()).toEqual(['first'])
  })
  it('at another instance is another message', async () => {
    const first = await send('mine', {}, 'shared')
    instance = await createConnectedInstance(app.admin)
    bot = await instanceClient(app.admin, instance)
    const second = await send('mine', {}, 'shared')
    expect(second.status).toBe(200)
    expect(second.body.message_id).not.toBe(first.body.message_id)
    expect(await texts()).toEqual(['mine'])
  })
  it('is refused if it is empty or too long', async () => {
    for (const key of ['', 'k'.repeat(256)]) {
      const { status, body } = await storingNothing(app, () => send('x', {}, key))
      expect(status).toBe(422)
      expect(body.error.details).toEqual({ 'Idempotency-Key': ['must have 1 to 255 characters'] })
    }
  })
  it('without a key, the same text twice is two messages', async () => {
    await send('twice')
    await send('twice')
    expect(await texts()).toEqual(['twice', 'twice'])
  })
})

describe('while the instance is disconnected', () => {
  it('a send is refused at once, and nothing of it is stored', async () => {
    await phone('disconnect')
    const { status, body } = await storingNothing(app, () => send('now or never'))
    expect(status).toBe(409)
    expect(body.error).toMatchObject({ code: 'INSTANCE_NOT_CONNECTED', details: { status: 'offline' } })
  })
  it('with queue it is taken, and sent in order once the instance is connected', async () => {
    await phone('disconnect')
    for (const text of ['one', 'two', 'three']) {
      const { status, body } = await send(text, { queue: true })
      expect(status).toBe(202)
      expect(body).toMatchObject({ success: true, message: 'Message queued', status: 'queued' })
      expect(await statusOf(body.message_uuid)).toBe('queued')
    }
    await phone('connect')
    const last = await send('four')
    expect(last.status).toBe(200)
    expect(await texts()).toEqual(['one', 'two', 'three', 'four'])
  })
  it('a message already taken under a key is answered, not refused', async () => {
    await phone('disconnect')
    const first = await send('taken', { queue: true }, 'k4')
    const again = await send('taken', {}, 'k4')
    expect(again).toMatchObject({ status: 202, body: first.body })
    await phone('connect')
    await eventually(async () => expect(await texts()).toEqual(['taken']))
    await eventually(async () =>
      expect(await send('taken', {}, 'k4')).toMatchObject({
        status: 200,
        body: { message_id: first.body.message_id, timestamp: first.body.timestamp, status: 'sent' },
      }),
    )
    expect(await texts()).toEqual(['taken'])
  })
})

describe('when WhatsApp', () => {
  it('is slow, the answer is 202 after SEND_TIMEOUT_SECONDS, and the message is sent all the same', async () => {
    await phone('failures', { outcome: 'slow', delay_ms: 1500 })
    const startedAt = performance.now()
    const { status, body } = await send('patience', {}, 'k5')
    expect(performance.now() - startedAt).toBeGreaterThan(900)
    expect(status).toBe(202)
    expect(body).toMatchObject({ success: true, status: 'queued', message_id: expect.any(String) })
    await vi.waitFor(async () => expect(await statusOf(body.message_uuid)).toBe('sent'), 5000)
    expect((await send('patience', {}, 'k5')).body).toEqual({
      ...body,
      message: 'Message sent successfully',
      status: 'sent',
    })
    expect(await texts()).toEqual(['patience'])
  })
  it('refuses, the answer says so, however often it is asked for', async () => {
    await phone('failures', { outcome: 'refuse', reason: 'Not on WhatsApp' })
    for (let attempt = 1; attempt <= 2; attempt++) {
      const { status, body } = await send('to nobody', {}, 'k6')
      expect(status).toBe(422)
      expect(body.error).toMatchObject({
        code: 'SEND_FAILED',
        message: expect.stringContaining('Not on WhatsApp'),
        details: { reason: 'Not on WhatsApp' },
      })
    }
    expect(await texts()).toEqual([])
    expect((await send('to somebody', {}, 'k7')).status).toBe(200)
  })
  it('does not confirm, the message is sent again under the same id and is there once', async () => {
    await phone('failures', { outcome: 'lost_ack' })
    const { body } = await send('once')
    await vi.waitFor(async () => expect(await statusOf(body.message_uuid)).toBe('sent'), 5000)
    expect(await outbox()).toMatchObject([{ message_id: body.message_id, text: 'once', times_received: 2 }])
  })
  it('drops the connection, the message waits and is sent after the reconnect', async () => {
    await phone('failures', { outcome: 'disconnect' })
    const { status, body } = await send('interrupted')
    expect(status).toBe(202)
    await eventually(async () => expect((await bot.get('/status')).body.status).toBe('disconnected'))
    await app.admin.post(`/instances/${instance}/reconnect`)
    await vi.waitFor(async () => expect(await statusOf(body.message_uuid)).toBe('sent'), 5000)
    expect(await texts()).toEqual(['interrupted'])
  })
})
