import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dateAt, secondsToMidnight } from '../../src/domain/days.ts'
import { newId } from '../../src/domain/ids.ts'
import { NO_STREAM } from '../../src/ports/event-store.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Client, type Json } from '../support/client.ts'
import { addTenant, instanceClient, storingNothing, type App } from './world.ts'
import { eventually } from '../support/eventually.ts'

let app: App
let instance: string
let bot: Client
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())
beforeEach(async () => {
  instance = await createConnectedInstance(app.admin)
  bot = await instanceClient(app.admin, instance)
})

const limitTo = (daily_limit: number | null, id = instance, client = app.admin) =>
  client.call('PATCH', `/instances/${id}`, { daily_limit })
const send = (message = 'x', fields: object = {}, key?: string) =>
  bot.post(
    '/send-message',
    { recipient: '5511999999999', message, ...fields },
    key === undefined ? {} : { 'idempotency-key': key },
  )
const sendMany = (count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => send('x', { recipient: `55119000000${n + 10}` })))
const statusesOf = (answers: readonly { status: number }[]) =>
  Object.fromEntries(
    [200, 429].map((status) => [status, answers.filter((answer) => answer.status === status).length]),
  )
const standing = async (): Promise<Json> => {
  const { daily_limit, remaining_quota, can_send_messages, messages_sent_today } = (
    await app.admin.get(`/instances/${instance}`)
  ).body.data
  return { daily_limit, remaining_quota, can_send_messages, messages_sent_today }
}

describe('a daily limit', () => {
  it('is set, taken back to the default, and shown wherever the instance is', async () => {
    expect((await limitTo(500)).body.data).toMatchObject({ daily_limit: 500, remaining_quota: 500 })
    await send()
    const expected = { daily_limit: 500, remaining_quota: 499 }
    expect(await standing()).toEqual({ ...expected, can_send_messages: true, messages_sent_today: 1 })
    const { instances } = (await app.admin.get('/instances')).body.data
    expect(instances.find(({ uuid }: Json) => uuid === instance)).toMatchObject(expected)
    expect((await bot.get(`/instances/${instance}/stats`)).body.data).toMatchObject(expected)
    await storingNothing(app, () => limitTo(500))
    for (const none of [0, null])
      expect((await limitTo(none)).body.data).toMatchObject({ daily_limit: null, remaining_quota: null })
  })
  it('is changed with the name or without, by an administrator only', async () => {
    const change = (body: object, client = app.admin) => client.call('PATCH', `/instances/${instance}`, body)
    expect((await change({ name: 'Sales', daily_limit: 7 })).body.data).toMatchObject({
      name: 'Sales',
      daily_limit: 7,
    })
    expect((await change({ name: 'Shop' })).body.data).toMatchObject({ name: 'Shop', daily_limit: 7 })
    await storingNothing(app, async () => {
      expect((await change({ daily_limit: 100 }, bot)).status).toBe(403)
      for (const wrong of [-1, 1.5, '5', 10_000_001])
        expect((await change({ daily_limit: wrong })).body.error.details).toHaveProperty('daily_limit')
    })
  })
  it('reached, sends nothing more until midnight, and leaves nothing behind', async () => {
    await limitTo(2)
    for (const text of ['one', 'two']) expect((await send(text)).status).toBe(200)
    const { status, headers, body } = await storingNothing(app, () => send('three', { to: '5511900000009' }))
    expect(status).toBe(429)
    expect(body.error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { daily_limit: 2, sent_today: 2, retry_after: expect.any(Number) },
    })
    const seconds = Number(headers.get('retry-after'))
    expect(seconds).toBe(body.error.details.retry_after)
    expect(Math.abs(seconds - secondsToMidnight(Date.now(), 'UTC'))).toBeLessThan(5)
    expect(await standing()).toMatchObject({ remaining_quota: 0, can_send_messages: false })
    await limitTo(3)
    expect((await send('three')).status).toBe(200)
    expect((await send('four')).status).toBe(429)
  })
  it('lets exactly as many through as are left, however many come at once', async () => {
    await limitTo(8)
    expect(statusesOf(await sendMany(3))).toEqual({ 200: 3, 429: 0 })
    expect(statusesOf(await sendMany(20))).toEqual({ 200: 5, 429: 15 })
    const { messages } = (await bot.get(`/sandbox/instances/${instance}/outbox`)).body.data
    expect(messages).toHaveLength(8)
    expect(await standing()).toMatchObject({ messages_sent_today: 8, remaining_quota: 0 })
  })
  it('counts what waits to be sent, and not what failed', async () => {
    await limitTo(2)
    await bot.post(`/sandbox/instances/${instance}/failures`, {
      outcome: 'refuse',
      reason: 'Not on WhatsApp',
    })
    expect((await send('to nobody')).status).toBe(422)
    expect(await standing()).toMatchObject({ remaining_quota: 2 })
    await bot.post(`/sandbox/instances/${instance}/disconnect`)
    for (const text of ['one', 'two']) expect((await send(text, { queue: true })).status).toBe(202)
    expect(await standing()).toMatchObject({ messages_sent_today: 0, remaining_quota: 0 })
    expect((await send('three', { queue: true })).status).toBe(429)
    await bot.post(`/sandbox/instances/${instance}/connect`)
    await eventually(async () =>
      expect(await standing()).toMatchObject({ messages_sent_today: 2, remaining_quota: 0 }),
    )
    expect((await send('three')).status).toBe(429)
  })
  it('counts a repeat under its Idempotency-Key once, even when nothing is left', async () => {
    await limitTo(1)
    const answers = await Promise.all(Array.from({ length: 10 }, () => send('once', {}, 'k1')))
    for (const { status, body } of answers) {
      expect(status).toBe(200)
      expect(body).toEqual(answers[0]?.body)
    }
    expect((await send('twice', {}, 'k2')).status).toBe(429)
    expect((await send('once', {}, 'k1')).body).toEqual(answers[0]?.body)
    await limitTo(2)
    expect((await send('twice', {}, 'k2')).status, 'a refused key is free').toBe(200)
  })
  it('does not hold up reactions', async () => {
    await limitTo(1)
    expect((await send()).status).toBe(200)
    await bot.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('Q1'))
    const react = (emoji: string) =>
      bot.post('/send-reaction', { to: '5511999999999', messageId: 'Q1', emoji })
    for (const emoji of ['👍', '🎉']) expect((await react(emoji)).status).toBe(200)
    expect(await standing()).toMatchObject({ messages_sent_today: 1, remaining_quota: 0 })
  })
  it('is of each instance', async () => {
    await limitTo(1)
    expect((await send()).status).toBe(200)
    expect((await send()).status).toBe(429)
    const other = await createConnectedInstance(app.admin)
    bot = await instanceClient(app.admin, other)
    expect((await send()).status).toBe(200)
    expect((await send()).status).toBe(200)
  })
})

describe('the day of a limit', () => {
  /** A zone in which it is this hour now. */
  const zoneAt = (hour: number) => {
    const ahead = hour - new Date().getUTCHours()
    const hours = ahead < -12 ? ahead + 24 : ahead > 12 ? ahead - 24 : ahead
    return `Etc/GMT${hours > 0 ? '-' : '+'}${Math.abs(hours)}`
  }
  const recordSent = (tenant: string, instanceId: string, at: number) => {
    const time = new Date(at).toISOString()
    const data = { instanceId, conversationId: newId(), kind: 'text', at: time }
    const meta = { tenant, actor: { kind: 'gateway' }, correlation: 'test', version: 1, at: time } as const
    return app.store.append(`message-${newId()}`, NO_STREAM, [
      { id: newId(), type: 'MessageSent', data, meta },
    ])
  }
  it.each([
    ['shortly after midnight, what was sent an hour and a half ago is of yesterday', 0, 200],
    ['at noon, it is of today', 12, 429],
  ])('is that of the time zone: %s', async (_what, hour, status) => {
    const timeZone = zoneAt(hour)
    const { tenant, client } = await addTenant(app, `quota${hour}`, { time_zone: timeZone })
    instance = await createConnectedInstance(client)
    bot = await instanceClient(client, instance)
    await limitTo(1, instance, client)
    const at = Date.now() - 90 * 60_000
    expect(dateAt(at, timeZone) === dateAt(Date.now(), timeZone)).toBe(status === 429)
    await recordSent(tenant.uuid, instance, at)
    const answer = await send()
    expect(answer.status).toBe(status)
    if (status === 200) return
    const seconds = Number(answer.headers.get('retry-after'))
    expect(Math.abs(seconds - secondsToMidnight(Date.now(), timeZone))).toBeLessThan(5)
  })
})

describe('DAILY_MESSAGE_LIMIT', () => {
  it('limits instances without a limit of their own; the count is kept by a restart', async () => {
    const start = (left?: App['database']) => startApp({ DAILY_MESSAGE_LIMIT: '3' }, {}, left)
    const before = await start()
    const id = await createConnectedInstance(before.admin)
    const sendBy = (client: Client, message: string, to = id) =>
      client.post('/send-message', { instance_id: to, recipient: '5511999999999', message, queue: true })
    for (const text of ['one', 'two']) expect((await sendBy(before.admin, text)).status).toBe(200)
    await before.leave()

    const after = await start(before.database)
    try {
      const shown = (await after.admin.get(`/instances/${id}`)).body.data
      expect(shown).toMatchObject({ daily_limit: 3, messages_sent_today: 2, remaining_quota: 1 })
      const answers = await Promise.all(['three', 'four', 'five'].map((text) => sendBy(after.admin, text)))
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(2)
      const free = await createConnectedInstance(after.admin)
      await limitTo(0, free, after.admin)
      for (let n = 0; n < 4; n++) expect((await sendBy(after.admin, `${n}`, free)).status).toBe(200)
      await limitTo(1, id, after.admin)
      expect((await sendBy(after.admin, 'more')).body.error.details).toMatchObject({ daily_limit: 1 })
    } finally {
      await after.stop()
    }
  })
})
