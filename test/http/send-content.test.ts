import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Client, type Json } from '../support/client.ts'
import { instanceClient, storingNothing, uuidText, type App } from './world.ts'

let app: App
let instance: string
let bot: Client
beforeAll(async () => {
  app = await startApp()
  instance = await createConnectedInstance(app.admin)
  bot = await instanceClient(app.admin, instance)
})
afterAll(() => app.stop())

const TO = '5511999999999'
const inOutbox = async (id: string): Promise<Json> => {
  const { body } = await bot.get(`/sandbox/instances/${instance}/outbox`)
  return body.data.messages.find(({ message_id }: Json) => message_id === id)
}
const lastShown = async (): Promise<Json> => {
  const { body: list } = await bot.get(`/conversations?search=${TO}`)
  const { body } = await bot.get(`/conversations/${list.data[0].id}/messages`)
  return { ...body.data.messages.at(-1), preview: list.data[0].last_message }
}

const place = { latitude: -23.5614, longitude: -46.6559, name: 'MASP', address: 'Av. Paulista' }
const card = [
  'BEGIN:VCARD',
  'VERSION:3.0',
  'N:;Silva\\, Maria\\; \\\\;;;',
  'FN:Silva\\, Maria\\; \\\\',
  'TEL;type=CELL;type=VOICE;waid=5511888888888:+5511888888888',
  'END:VCARD',
].join('\n')
const poll = { question: 'When?', options: ['Today', 'Tomorrow'], selectable: 1 }
const kinds = [
  {
    kind: 'location',
    what: 'Location',
    body: place,
    sent: { location: place },
    text: 'MASP\nAv. Paulista',
  },
  {
    kind: 'contact',
    what: 'Contact',
    body: { contacts: [{ name: 'Silva, Maria; \\', phone_number: '+55 11 88888-8888' }] },
    sent: { contacts: [{ display_name: 'Silva, Maria; \\', vcard: card }] },
    text: 'Silva, Maria; \\',
  },
  { kind: 'poll', what: 'Poll', body: poll, sent: { poll }, text: 'When?' },
]

describe.each(kinds)('POST /send-$kind', ({ kind, what, body, sent, text }) => {
  const path = `/send-${kind}`
  const nothing = { location: null, contacts: null, poll: null, ...sent }

  it.each(['', '/api/v1'])('at %s sends, and is in the conversation', async (prefix) => {
    const answer = await bot.post(`${prefix}${path}`, { recipient: TO, ...body })
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({
      success: true,
      message: `${what} sent successfully`,
      message_id: expect.stringMatching(/^3EB0[0-9A-F]{18}$/),
      message_uuid: uuidText,
      timestamp: expect.any(String),
      status: 'sent',
    })
    expect(await inOutbox(answer.body.message_id)).toMatchObject({ kind, to: TO, text, ...nothing })
    expect(await lastShown()).toMatchObject({
      unique_id: answer.body.message_uuid,
      message_body: text,
      media_type: null,
      preview: text,
      ...nothing,
    })
  })
  it('answers another message', async () => {
    const reply_to = (await bot.post('/send-message', { to: TO, message: 'Look' })).body.message_id
    const answer = await bot.post(path, { to: TO, ...body, reply_to })
    expect(await inOutbox(answer.body.message_id)).toMatchObject({ kind, reply_to, ...sent })
  })
  it('sends once under one Idempotency-Key, and nothing else under it', async () => {
    const headers = { 'Idempotency-Key': `key of ${kind}` }
    const send = () => bot.post(path, { to: TO, ...body }, headers)
    const first = await send()
    const again = await storingNothing(app, send)
    expect(again.body).toEqual(first.body)
    const other = await bot.post('/send-message', { to: TO, message: 'x' }, headers)
    expect(other.body.error.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })
  it('waits in the queue while the instance is not connected, if it may', async () => {
    const offline = (await app.admin.post('/instances', { name: `off ${kind}` })).body.data.instance.uuid
    const client = await instanceClient(app.admin, offline)
    const refused = await storingNothing(app, () => client.post(path, { to: TO, ...body }))
    expect(refused.body.error.code).toBe('INSTANCE_NOT_CONNECTED')
    const { status, body: answer } = await client.post(path, { to: TO, ...body, queue: true })
    expect([status, answer.status, answer.message]).toEqual([202, 'queued', `${what} queued`])
  })
})

it('a poll may leave open how many options are chosen: one', async () => {
  const { body } = await bot.post('/send-poll', { to: TO, question: 'When?', options: ['a', 'b'] })
  expect(await inOutbox(body.message_id)).toMatchObject({ poll: { selectable: 1 } })
})
it('a contact may be given as a card', async () => {
  const vcard = 'BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\r\nEND:VCARD\r\n'
  const contacts = [
    { name: 'Ann', vcard },
    { name: 'Maria', phone_number: '5511888888888' },
  ]
  const { body } = await bot.post('/send-contact', { to: TO, contacts })
  expect(await inOutbox(body.message_id)).toMatchObject({
    text: 'Ann, Maria',
    contacts: [{ display_name: 'Ann', vcard }, { display_name: 'Maria' }],
  })
})
it('the name of a contact cannot add lines to its card', async () => {
  const contacts = [{ name: 'Ann\nTEL:+1\r\nEND:VCARD', phone_number: '5511888888888' }]
  const { body } = await bot.post('/send-contact', { to: TO, contacts })
  const [{ vcard }] = (await inOutbox(body.message_id)).contacts
  expect(vcard.split('\n')).toHaveLength(6)
})

describe('what cannot be is refused by the name of its field', () => {
  it.each<[string, object, string]>([
    ['location', { ...place, latitude: 90.1 }, 'latitude'],
    ['location', { ...place, longitude: -180.1 }, 'longitude'],
    ['location', { ...place, latitude: '1' }, 'latitude'],
    ['location', { longitude: 1 }, 'latitude'],
    ['location', { ...place, name: '' }, 'name'],
    ['contact', {}, 'contacts'],
    ['contact', { contacts: [] }, 'contacts'],
    ['contact', { contacts: [{ name: 'Ann' }] }, 'contacts.0'],
    ['contact', { contacts: [{ name: 'Ann', phone_number: 'Ann' }] }, 'contacts.0.phone_number'],
    [
      'contact',
      { contacts: [{ name: 'Ann', phone_number: '120363041234567890@g.us' }] },
      'contacts.0.phone_number',
    ],
    ['contact', { contacts: [{ name: 'Ann', vcard: 'Ann' }] }, 'contacts.0.vcard'],
    ['poll', { ...poll, options: ['one'] }, 'options'],
    ['poll', { ...poll, options: ['same', 'same'] }, 'options'],
    ['poll', { ...poll, options: Array.from({ length: 13 }, (_, n) => `${n}`) }, 'options'],
    ['poll', { ...poll, options: ['', 'a'] }, 'options.0'],
    ['poll', { ...poll, selectable: 3 }, 'selectable'],
    ['poll', { ...poll, selectable: -1 }, 'selectable'],
    ['poll', { options: ['a', 'b'] }, 'question'],
  ])('%s %j: %s', async (kind, body, field) => {
    const { status, body: answer } = await storingNothing(app, () =>
      bot.post(`/send-${kind}`, { to: TO, ...body }),
    )
    expect(status).toBe(422)
    expect(Object.keys(answer.error.details)).toContain(field)
  })
})
