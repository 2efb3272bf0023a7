import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Json } from '../support/client.ts'
import { endAtRest, isoSecondsText, storingNothing, uuidText, type App } from './world.ts'

let app: App
let instance: string
const JOHN = '5521999999999'
const MARIA = '5521888888888'
beforeAll(async () => {
  app = await startApp()
  instance = await createConnectedInstance(app.admin)
  await phone('incoming', { from: JOHN, name: 'John <b>Doe</b>', text: 'Hi', message_id: 'HI' })
  await phone('incoming', { from: MARIA, name: 'Maria', text: 'Hello', message_id: 'HELLO' })
  // Their names are known.
  await endAtRest(app)
})
afterAll(() => app.stop())

const phone = async (action: string, body: object): Promise<Json> => {
  const { status, body: answer } = await app.admin.post(`/sandbox/instances/${instance}/${action}`, body)
  expect(status, JSON.stringify(answer)).toBe(200)
  return answer.data
}
const outbox = async (): Promise<Json[]> =>
  (await app.admin.get(`/sandbox/instances/${instance}/outbox`)).body.data.messages
const conversationOf = async (number: string): Promise<string> =>
  (await app.admin.get(`/chat/conversations?search=${number}`)).body.data[0].id
const messagesWith = async (number: string, query = ''): Promise<Json> =>
  (await app.admin.get(`/chat/conversations/${await conversationOf(number)}/messages${query}`)).body.data
const messageWith = async (number: string, whatsappId: string): Promise<Json> =>
  (await messagesWith(number)).messages.find((one: Json) => one.whatsapp_message_id === whatsappId)
const send = async (message: string, recipient = JOHN): Promise<Json> => {
  const { status, body } = await app.admin.post('/chat/send', { instance_id: instance, recipient, message })
  expect(status, JSON.stringify(body)).toBe(200)
  return body.data
}

describe('the list', () => {
  it('shows tags and the instance, as the reference does', async () => {
    const { body } = await app.admin.get('/api/v1/chat/conversations?search=Maria')
    expect(body.data).toEqual([
      {
        id: uuidText,
        number: expect.any(Number),
        instance_id: instance,
        contact_number: MARIA,
        contact_name: 'Maria',
        display_name: 'Maria',
        is_group: false,
        profile_picture_url: null,
        last_message: 'Hello',
        last_message_at: isoSecondsText,
        unread_count: 1,
        is_archived: false,
        archived_at: null,
        tags: [],
        instance: { uuid: instance, phone_number: expect.any(String), status: 'connected' },
      },
    ])
    expect(body.meta.pagination).toEqual({ total: 1, per_page: 15, current_page: 1, last_page: 1 })
    expect((await app.admin.get('/conversations?search=Maria&format=chat')).body).toEqual(body)
  })
  it('details say whether messages can be sent by hand', async () => {
    const { body } = await app.admin.get(`/chat/conversations/${await conversationOf(MARIA)}`)
    expect(body.data).toMatchObject({
      automation_status: 'inactive',
      can_send_manual_message: true,
      automation_paused_at: null,
    })
  })
})

describe('a message', () => {
  it('shows mentions as spans with the name, all else escaped', async () => {
    await phone('incoming', {
      from: MARIA,
      text: `Ola @${JOHN}, <script>"you" & @123 @${JOHN}0`,
      mentions: [JOHN],
      message_id: 'MENTION',
    })
    const shown = await messageWith(MARIA, 'MENTION')
    expect(shown.formatted_body).toBe(
      `Ola <span class="mention" data-phone="${JOHN}">@John &lt;b&gt;Doe&lt;/b&gt;</span>, ` +
        `&lt;script&gt;&quot;you&quot; &amp; @123 @${JOHN}0`,
    )
    expect(shown).toMatchObject({
      id: expect.any(Number),
      unique_id: uuidText,
      direction: 'incoming',
      is_from_me: false,
      mentioned_jids: [`${JOHN}@s.whatsapp.net`],
      sender_name: null,
      status: 'received',
      grouped_reactions: [],
    })
  })
  it('shows reactions by emoji, with who reacted', async () => {
    const group = { id: '120363000000000001@g.us', name: 'Team' }
    await phone('incoming', { from: MARIA, group, text: 'All here?', message_id: 'ALL' })
    await phone('reactions', { from: MARIA, group, message_id: 'ALL', emoji: '👍' })
    await phone('reactions', { from: JOHN, group, message_id: 'ALL', emoji: '👍' })
    await phone('reactions', { from: '5521777777777', group, message_id: 'ALL', emoji: '🎉' })
    const { unique_id } = await messageWith('120363000000000001', 'ALL')
    const { status, body } = await app.admin.post(`/api/v1/chat/messages/${unique_id}/reaction`, {
      emoji: '👍',
    })
    expect(status).toBe(200)
    const own = (await app.admin.get(`/instances/${instance}`)).body.data.phone_number
    expect(body.data.grouped_reactions).toEqual([
      {
        emoji: '👍',
        count: 3,
        has_my_reaction: true,
        reactors: [MARIA, JOHN, own],
        reactor_names: ['Maria', 'John <b>Doe</b>', own],
      },
      {
        emoji: '🎉',
        count: 1,
        has_my_reaction: false,
        reactors: ['5521777777777'],
        reactor_names: ['5521777777777'],
      },
    ])
    const removed = await app.admin.delete(`/chat/messages/${unique_id}/reaction`)
    expect(removed.body.data.grouped_reactions[0]).toMatchObject({ count: 2, has_my_reaction: false })
    expect((await outbox()).slice(-2)).toMatchObject([
      { kind: 'reaction', text: '👍', reacted_to: 'ALL' },
      { kind: 'reaction', text: '', reacted_to: 'ALL' },
    ])
  })
})

describe('pages of messages', () => {
  it('say whether there is more, and where they begin and end', async () => {
    for (const n of [1, 2, 3]) await phone('incoming', { from: '5521600000000', text: `m${n}` })
    const all = await messagesWith('5521600000000')
    const ids = all.messages.map(({ id }: Json) => id)
    expect(all).toMatchObject({ has_more: false, oldest_id: ids[0], newest_id: ids[2] })
    expect(await messagesWith('5521600000000', '?limit=2')).toMatchObject({
      has_more: true,
      oldest_id: ids[1],
      newest_id: ids[2],
    })
    expect(await messagesWith('5521600000000', `?limit=2&before_id=${ids[1]}`)).toMatchObject({
      has_more: false,
      oldest_id: ids[0],
      newest_id: ids[0],
    })
    const plain = `/conversations/${await conversationOf('5521600000000')}/messages?format=chat`
    expect((await app.admin.get(plain)).body.data).toEqual(all)
  })
})

describe('POST /chat/send', () => {
  it('answers the message as a chat shows it', async () => {
    const shown = await send('Hello from Chat API!')
    expect(shown).toMatchObject({
      id: expect.any(Number),
      unique_id: uuidText,
      direction: 'outgoing',
      is_from_me: true,
      message_body: 'Hello from Chat API!',
      formatted_body: 'Hello from Chat API!',
      status: 'sent',
      grouped_reactions: [],
    })
    expect(await messageWith(JOHN, shown.whatsapp_message_id)).toEqual(shown)
  })
  it('takes the number of an instance, and what it replies to', async () => {
    const { id } = (await app.admin.get(`/instances/${instance}`)).body.data
    const answer = { instance_id: String(id), recipient: JOHN, message: 'Yes', reply_to: 'HI' }
    const { status, body } = await app.admin.post('/api/v1/chat/send', answer)
    expect(status).toBe(200)
    expect(body.data.reply_to).toBe('HI')
  })
})

describe('PATCH /chat/messages/{id}', () => {
  it('edits what was sent, here and at WhatsApp', async () => {
    const sent = await send('Helo')
    for (const [ref, message] of [
      [sent.unique_id, 'Hello'],
      [sent.id, 'Hello!'],
      [sent.whatsapp_message_id, 'Hello!!'],
    ]) {
      const { status, body } = await app.admin.call('PATCH', `/chat/messages/${ref}`, { message })
      expect(status).toBe(200)
      expect(body.data).toMatchObject({
        unique_id: sent.unique_id,
        message_body: message,
        edited_at: isoSecondsText,
      })
    }
    expect((await outbox()).at(-1)).toMatchObject({
      kind: 'edit',
      text: 'Hello!!',
      changes: sent.whatsapp_message_id,
    })
    const [conversation] = (await app.admin.get(`/conversations?search=${JOHN}`)).body.data
    expect(conversation.last_message).toBe('Hello!!')
  })
  it('does not edit what others wrote, nor what is not a text', async () => {
    const { unique_id } = await messageWith(JOHN, 'HI')
    const { status, body } = await storingNothing(app, () =>
      app.admin.call('PATCH', `/chat/messages/${unique_id}`, { message: 'forged' }),
    )
    expect(status).toBe(409)
    expect(body.error.code).toBe('CONFLICT')
  })
})

describe('DELETE /chat/messages/{id}', () => {
  it('takes back what was sent: it stays in the list, without its content, and cannot be changed again', async () => {
    const sent = await send('Oops')
    const { status, body } = await app.admin.delete(`/chat/messages/${sent.unique_id}`)
    expect(status).toBe(200)
    expect(body.data).toMatchObject({ message_body: null, formatted_body: null, deleted_at: isoSecondsText })
    expect((await outbox()).at(-1)).toMatchObject({ kind: 'delete', changes: sent.whatsapp_message_id })
    for (const [method, message] of [
      ['DELETE', undefined],
      ['PATCH', { message: 'x' }],
    ] as const)
      expect((await app.admin.call(method, `/chat/messages/${sent.unique_id}`, message)).status).toBe(404)
  })
})

describe('when the other side changes its message', () => {
  it('the new text shows', async () => {
    await phone('edits', { message_id: 'HELLO', text: 'Hello, you' })
    expect(await messageWith(MARIA, 'HELLO')).toMatchObject({ message_body: 'Hello, you' })
  })
  it('nothing of what it took back shows', async () => {
    await phone('incoming', { from: MARIA, text: 'secret', message_id: 'BACK' })
    await phone('deletions', { message_id: 'BACK' })
    expect(await messageWith(MARIA, 'BACK')).toMatchObject({ message_body: null, deleted_at: isoSecondsText })
  })
})
