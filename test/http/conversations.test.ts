import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Json } from '../support/client.ts'
import { instanceClient, isoSecondsText, storingNothing, uuidText, type App } from './world.ts'

let app: App
let instance: string
let other: string
const GROUP = '120363041234567890@g.us'
const at = (second: number) => 1705312200 + second

beforeAll(async () => {
  app = await startApp()
  instance = await createConnectedInstance(app.admin, 'one')
  other = await createConnectedInstance(app.admin, 'other')
  await receive(instance, 'A1', { from: '5511911111111', name: 'John Doe', text: 'Ok, deal!', second: 0 })
  await receive(instance, 'A2', { from: '5511911111111', name: 'John Doe', text: 'Still there?', second: 1 })
  await receive(instance, 'B1', { from: '5511922222222', name: '50%_Off\\Shop', text: 'Sale', second: 2 })
  await receive(instance, 'G1', { from: GROUP, name: 'Maria', text: 'Hi all', second: 3, groupName: 'Team' })
  await receive(other, 'O1', { from: '5511933333333', name: 'Other', text: 'elsewhere', second: 4 })
})
afterAll(() => app.stop())

type Text = { from: string; name: string; text: string; second: number; groupName?: string }
const receive = async (to: string, id: string, { from, name, text, second, groupName }: Text) => {
  const payload = incomingPayload(id, from.split('@')[0], text)
  const remoteJid = from.includes('@') ? from : payload.remoteJid
  const { status } = await app.admin.post(`/webhooks/instance/${to}/incoming`, {
    ...payload,
    remoteJid,
    key: { ...payload.key, remoteJid },
    pushName: name,
    messageTimestamp: at(second),
    ...(groupName !== undefined && { groupName, participant: '5511944444444@s.whatsapp.net' }),
  })
  expect(status).toBe(200)
}
const list = async (query = '') => (await app.admin.get(`/conversations${query}`)).body
const numbers = async (query: string) =>
  (await list(query)).data.map(({ contact_number }: Json) => contact_number)
const find = async (number: string): Promise<Json> => (await list(`?search=${number}`)).data[0]

describe('GET /conversations', () => {
  it.each(['', '/api/v1'])('at %s/conversations is as the reference shows', async (prefix) => {
    const { status, body } = await app.admin.get(`${prefix}/conversations?unread=true&per_page=20`)
    expect(status).toBe(200)
    expect(body.success).toBe(true)
    expect(body.data.at(-1)).toEqual({
      id: uuidText,
      number: expect.any(Number),
      instance_id: instance,
      contact_number: '5511911111111',
      contact_name: 'John Doe',
      display_name: 'John Doe',
      is_group: false,
      profile_picture_url: null,
      last_message: 'Still there?',
      last_message_at: '2024-01-15T09:50:01Z',
      unread_count: 2,
      is_archived: false,
      archived_at: null,
    })
    expect(body.meta).toEqual({ pagination: { total: 4, per_page: 20, current_page: 1, last_page: 1 } })
  })
  it('shows the newest first, page by page', async () => {
    const order = ['5511933333333', '120363041234567890', '5511922222222', '5511911111111']
    expect(await numbers('')).toEqual(order)
    expect(await numbers('?per_page=3')).toEqual(order.slice(0, 3))
    expect(await numbers('?per_page=3&page=2')).toEqual(order.slice(3))
    expect(await list('?per_page=3&page=9')).toMatchObject({
      data: [],
      meta: { pagination: { total: 4, per_page: 3, current_page: 9, last_page: 2 } },
    })
    expect((await list()).meta.pagination.per_page).toBe(15)
  })
  it.each([
    ['is_group=true', ['120363041234567890']],
    ['is_group=0', ['5511933333333', '5511922222222', '5511911111111']],
    ['search=john', ['5511911111111']],
    ['search=JOHN', ['5511911111111']],
    ['search=team', ['120363041234567890']],
    ['search=22222', ['5511922222222']],
    ['search=%25_', ['5511922222222']],
    ['search=%5C', ['5511922222222']],
    ["search='", []],
    ['tag_id=0190d0a0-0000-7000-8000-00000000000a', []],
    ['untagged=true&search=john', ['5511911111111']],
  ])('is filtered by %s', async (query, expected) => {
    expect(await numbers(`?${query}`)).toEqual(expected)
  })
  it('is filtered by instance, by UUID or number; a token of an instance sees that instance’s', async () => {
    const { id } = (await app.admin.get(`/instances/${other}`)).body.data
    for (const ref of [other, id]) expect(await numbers(`?instance_id=${ref}`)).toEqual(['5511933333333'])
    const bot = await instanceClient(app.admin, other)
    const seen = (await bot.get('/conversations')).body.data
    expect(seen.map(({ contact_number }: Json) => contact_number)).toEqual(['5511933333333'])
    expect((await bot.get(`/conversations/${(await find('5511911111111')).id}`)).status).toBe(404)
  })
  it('shows tags if asked to', async () => {
    expect((await list('?include_tags=true')).data[0]).toMatchObject({ tags: [] })
    expect((await list()).data[0]).not.toHaveProperty('tags')
  })
  it.each([
    'per_page=101',
    'per_page=0',
    'page=0',
    `page=${'9'.repeat(20)}`,
    'unread=perhaps',
    'tag_id=x',
    'tag_id=urn:uuid:0190d0a0-0000-7000-8000-00000000000a',
  ])('refuses %s by the name of the field', async (query) => {
    const { status, body } = await app.admin.get(`/conversations?${query}`)
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual([query.split('=')[0]])
  })
})

describe('GET /conversations/{id}', () => {
  it('finds it by UUID and by number', async () => {
    const listed = await find('5511911111111')
    for (const ref of [listed.id, listed.number, listed.id.toUpperCase()])
      expect((await app.admin.get(`/conversations/${ref}`)).body).toEqual({
        success: true,
        data: {
          ...listed,
          tags: [],
          instance: { uuid: instance, phone_number: expect.any(String), status: 'connected' },
          automation_status: 'inactive',
          can_send_manual_message: true,
          automation_paused_at: null,
        },
      })
    for (const ref of ['0', '99999', 'x'])
      expect((await app.admin.get(`/conversations/${ref}`)).body.error.code).toBe('NOT_FOUND')
  })
})

describe('GET /conversations/{id}/messages', () => {
  let id: string
  let all: Json[]
  beforeAll(async () => {
    for (let second = 10; second < 17; second++)
      await receive(instance, `M${second}`, {
        from: '5511955555555',
        name: 'Long',
        text: `${second}`,
        second,
      })
    id = (await find('5511955555555')).id
    all = (await page('')).messages
  })
  const page = async (query: string): Promise<Json> =>
    (await app.admin.get(`/conversations/${id}/messages${query}`)).body.data
  const texts = (data: Json) => data.messages.map(({ message_body }: Json) => message_body)

  it('shows all, oldest first, with their ends', async () => {
    const data = await page('')
    expect(texts(data)).toEqual(['10', '11', '12', '13', '14', '15', '16'])
    expect(data).toMatchObject({ has_more: false, oldest_id: all[0].id, newest_id: all[6].id })
    expect(all[0]).toMatchObject({ direction: 'incoming', status: 'received', created_at: isoSecondsText })
  })
  it('shows the newest, and what was before it, until there is no more', async () => {
    const newest = await page('?limit=3')
    expect(texts(newest)).toEqual(['14', '15', '16'])
    expect(newest.has_more).toBe(true)
    const before = await page(`?limit=3&before_id=${newest.oldest_id}`)
    expect(texts(before)).toEqual(['11', '12', '13'])
    const first = await page(`?limit=3&before_id=${before.oldest_id}`)
    expect(texts(first)).toEqual(['10'])
    expect(first).toMatchObject({ has_more: false })
  })
  it('shows what came after a message, and whether there is more', async () => {
    const after = await page(`?after_id=${all[1].id}&limit=2`)
    expect(texts(after)).toEqual(['12', '13'])
    expect(after.has_more).toBe(true)
    expect(texts(await page(`?after_id=${all[1].id}&before_id=${all[4].id}`))).toEqual(['12', '13'])
    const nothing = await page(`?after_id=${all[6].id}`)
    expect(nothing).toEqual({ messages: [], has_more: false, oldest_id: null, newest_id: null })
  })
  it('shows a span of WhatsApp’s time, both ends included, in any time zone', async () => {
    const [from, to] = ['2024-01-15T09:50:12Z', '2024-01-15T06:50:14-03:00']
    const query = new URLSearchParams({ from, to })
    expect(texts(await page(`?${query}`))).toEqual(['12', '13', '14'])
  })
  it.each([
    ['limit=101', 'limit'],
    ['limit=0', 'limit'],
    ['before_id=x', 'before_id'],
    [`after_id=${'9'.repeat(20)}`, 'after_id'],
    ['from=yesterday', 'from'],
    ['to=0000-01-01T00:00:00Z', 'to'],
    ['from=2024-01-15T23:59:60Z', 'from'],
  ])('refuses %s by the name of %s', async (query, field) => {
    const { status, body } = await app.admin.get(`/conversations/${id}/messages?${query}`)
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual([field])
  })
})

describe('POST /conversations/{id}/mark-read', () => {
  it.each(['', '/api/v1'])('at %s leaves nothing unread, and again changes nothing', async (prefix) => {
    const from = prefix === '' ? '5511966666666' : '5511977777777'
    await receive(instance, `R1${prefix}`, { from, name: 'Unread', text: 'x', second: 20 })
    const { id } = await find(from)
    const markRead = () => app.admin.post(`${prefix}/conversations/${id}/mark-read`)
    const { status, body } = await markRead()
    expect(status).toBe(200)
    expect(body).toEqual({ success: true, message: 'Conversation marked as read' })
    expect((await find(from)).unread_count).toBe(0)
    expect((await storingNothing(app, markRead)).status).toBe(200)
    expect(await numbers(`?unread=false&search=${from}`)).toEqual([from])
    await receive(instance, `R2${prefix}`, { from, name: 'Unread', text: 'y', second: 21 })
    expect((await find(from)).unread_count).toBe(1)
  })
})
