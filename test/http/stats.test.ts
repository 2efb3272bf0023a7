import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import { NO_STREAM } from '../../src/ports/event-store.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Client, type Json } from '../support/client.ts'
import { addTenant, instanceClient, type App } from './world.ts'
import { eventually } from '../support/eventually.ts'

let app: App
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

const nothing = { queued: 0, sent: 0, delivered: 0, read: 0, played: 0, failed: 0, received: 0 }

/** Records that a message came to a status at a time. */
const record = async (tenant: string, instanceId: string, type: string, at: string, fields: object = {}) => {
  const data = { instanceId, conversationId: newId(), at, ...fields }
  const meta = { tenant, actor: { kind: 'gateway' }, correlation: 'test', version: 1, at } as const
  await app.store.append(`message-${newId()}`, NO_STREAM, [{ id: newId(), type, data, meta }])
}
const sentAt = (tenant: string, instance: string, at: string) =>
  record(tenant, instance, 'MessageSent', at, { kind: 'text' })

let zones = 0
const tenantIn = async (timeZone: string) => {
  const { tenant, client } = await addTenant(app, `stats${++zones}`, { time_zone: timeZone })
  const { uuid } = (await client.post('/instances', { name: timeZone })).body.data.instance
  const sentByDay = async (query: string): Promise<Json> =>
    Object.fromEntries(
      (await client.get(`/stats?${query}`)).body.data.rows.map((row: Json) => [row.date, row.sent]),
    )
  return { tenant: tenant.uuid, client, instance: String(uuid), sentByDay }
}

describe('GET /stats', () => {
  it('counts real messages once for each status, reactions aside', async () => {
    const { client } = await addTenant(app, 'real')
    const instance = await createConnectedInstance(client)
    const bot = await instanceClient(client, instance)
    const send = (to: string) => bot.post('/send-message', { to, message: 'counted' })
    const { message_id } = (await send('5511900000001')).body
    await send('5511900000002')
    const phone = (action: string, body: object) => bot.post(`/sandbox/instances/${instance}/${action}`, body)
    await phone('receipts', { message_id, status: 'read' })
    await phone('receipts', { message_id, status: 'read' })
    await phone('failures', { outcome: 'refuse', reason: 'Not on WhatsApp' })
    expect((await send('5511900000003')).status).toBe(422)
    await bot.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('S1', '5511900000001'))
    const reaction = { to: '5511900000001', messageId: 'S1', emoji: '👍' }
    await bot.post('/send-reaction', reaction)
    await phone('failures', { outcome: 'refuse', reason: 'No' })
    expect((await bot.post('/send-reaction', { ...reaction, emoji: '🎉' })).status).toBe(422)
    await eventually(async () => {
      const { rows, totals } = (await client.get('/stats')).body.data
      expect(totals).toMatchObject({ queued: 3, sent: 2, read: 1, failed: 1, received: 1, played: 0 })
      expect(rows).toEqual([{ date: expect.any(String), instance_id: instance, ...totals }])
    })
  })
  it('ends today and begins 29 days before, unless it is told otherwise', async () => {
    const { client } = await tenantIn('UTC')
    const today = new Date().toISOString().slice(0, 10)
    const { from, to, time_zone, rows, totals } = (await client.get('/stats')).body.data
    expect({ to, time_zone, rows, totals }).toEqual({
      to: today,
      time_zone: 'UTC',
      rows: [],
      totals: nothing,
    })
    expect((Date.parse(to) - Date.parse(from)) / 86_400_000).toBe(29)
    expect((await client.get('/stats?to=2025-03-01')).body.data.from).toBe('2025-01-31')
  })
  it('has each status on the day on which the message came to it', async () => {
    const { tenant, client, instance } = await tenantIn('America/Sao_Paulo')
    await sentAt(tenant, instance, '2025-01-16T02:59:59.999Z')
    await record(tenant, instance, 'MessageDelivered', '2025-01-16T03:00:00.000Z')
    await record(tenant, instance, 'MessageRead', '2025-01-17T02:59:00.000Z')
    await record(tenant, instance, 'MessagePlayed', '2025-01-17T03:00:00.000Z')
    await record(tenant, instance, 'MessageRead', '2025-01-17T03:00:00.000Z', { signal: 'reaction' })
    const { body } = await client.get('/stats?from=2025-01-15&to=2025-01-17')
    const row = (date: string, counts: object) => ({ date, instance_id: instance, ...nothing, ...counts })
    expect(body.data).toMatchObject({
      time_zone: 'America/Sao_Paulo',
      rows: [
        row('2025-01-15', { sent: 1 }),
        row('2025-01-16', { delivered: 1, read: 1 }),
        row('2025-01-17', { played: 1 }),
      ],
      totals: { ...nothing, sent: 1, delivered: 1, read: 1, played: 1 },
    })
    const onlyOne = await client.get('/stats?from=2025-01-16&to=2025-01-16')
    expect(onlyOne.body.data.rows.map(({ date }: Json) => date)).toEqual(['2025-01-16'])
  })
  it('has days of 23 and of 25 hours where the clocks change', async () => {
    const { tenant, instance, sentByDay } = await tenantIn('America/New_York')
    const edges = [
      '2025-03-09T04:59:00Z', // 23:59 of the 8th
      '2025-03-09T05:00:00Z', // 00:00 of the 9th, 23 hours long
      '2025-03-10T03:59:00Z', // 23:59
      '2025-03-10T04:00:00Z', // 00:00 of the 10th
      '2025-11-02T04:00:00Z', // 00:00 of the 2nd, 25 hours long
      '2025-11-03T04:59:00Z', // 23:59
      '2025-11-03T05:00:00Z', // 00:00 of the 3rd
    ]
    for (const at of edges) await sentAt(tenant, instance, at)
    expect(await sentByDay('from=2025-03-01&to=2025-11-30')).toEqual({
      '2025-03-08': 1,
      '2025-03-09': 2,
      '2025-03-10': 1,
      '2025-11-02': 2,
      '2025-11-03': 1,
    })
  })
  it('has the quarters of an hour of Nepal', async () => {
    const { tenant, instance, sentByDay } = await tenantIn('Asia/Kathmandu')
    await sentAt(tenant, instance, '2025-01-15T18:14:00Z')
    await sentAt(tenant, instance, '2025-01-15T18:15:00Z')
    expect(await sentByDay('from=2025-01-15&to=2025-01-16')).toEqual({ '2025-01-15': 1, '2025-01-16': 1 })
  })
  it('is of one instance if it is named, by UUID or number, or if its token asks', async () => {
    const { tenant, client, instance } = await tenantIn('UTC')
    const { uuid: other, id } = (await client.post('/instances', { name: 'other' })).body.data.instance
    for (const one of [instance, other]) await sentAt(tenant, one, '2025-01-15T12:00:00Z')
    const instancesIn = async (by: Client, query = '') =>
      (await by.get(`/stats?to=2025-01-15${query}`)).body.data.rows.map((row: Json) => row.instance_id)
    expect((await instancesIn(client)).toSorted()).toEqual([instance, other].toSorted())
    expect(await instancesIn(client, `&instance_id=${other}`)).toEqual([other])
    expect(await instancesIn(client, `&instance_id=${id}`)).toEqual([other])
    const bot = await instanceClient(client, other)
    expect(await instancesIn(bot)).toEqual([other])
    expect((await bot.get(`/stats?instance_id=${instance}`)).status).toBe(404)
    expect((await app.admin.get(`/stats?instance_id=${instance}`)).status).toBe(404)
  })
  it.each([
    ['from=2025-01-02&to=2025-01-01', 'from'],
    ['from=2024-01-01&to=2025-01-01', 'from'],
    ['from=9998-01-01', 'from'],
    ['from=2025-02-30', 'from'],
    ['from=yesterday', 'from'],
    ['to=0001-01-01', 'to'],
    ['to=9999-12-31', 'to'],
  ])('refuses %s, naming %s', async (query, field) => {
    const { status, body } = await app.admin.get(`/stats?${query}`)
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual([field])
  })
  it('takes a leap year', async () => {
    expect((await app.admin.get('/stats?from=2024-01-01&to=2024-12-31')).status).toBe(200)
  })
})
