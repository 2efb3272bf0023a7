import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Content } from '../../src/domain/content.ts'
import { contactId, conversationId } from '../../src/domain/ids.ts'
import type { GatewayListener } from '../../src/ports/gateway.ts'
import type { Json } from '../support/client.ts'
import { startReceiver } from '../support/receiver.ts'
import { eventually } from '../support/eventually.ts'
import { startToldApp } from '../support/told-app.ts'
import { endAtRest } from './world.ts'

const HIDDEN = '171234567890123@lid'
const JOHN = '5511999999999@s.whatsapp.net'
const AT = '2025-01-15T10:30:00.000Z'
const text = (words: string): Content => ({ kind: 'text', text: words })

let app: Awaited<ReturnType<typeof startToldApp>>
let instance: string
let listener: GatewayListener
beforeAll(async () => {
  app = await startToldApp()
})
afterAll(() => app.stop())
beforeEach(async () => {
  ;({ instance, listener } = await app.pair())
})

const say = (words: string, chat: string, change: object = {}) =>
  listener.message({
    whatsappId: `${words} ${instance}`,
    chat,
    fromMe: false,
    sender: chat,
    senderName: 'John',
    content: text(words),
    at: new Date().toISOString(),
    ...change,
  })
const link = () => listener.addressLink({ from: HIDDEN, to: JOHN, at: AT })
const get = async (path: string): Promise<Json> => {
  const { status, body } = await app.admin.get(path)
  expect({ status, path }).toEqual({ status: 200, path })
  return body.data
}
const listed = (): Promise<Json[]> => get(`/conversations?instance_id=${instance}&include_tags=true`) as never
const wordsOf = (data: Json) => data.messages.map(({ message_body }: Json) => message_body)
const idOf = (chat: string) => conversationId(instance, chat)

describe('a person who was known by two addresses', () => {
  let numbers: Record<string, number>
  beforeEach(async () => {
    await say('one', HIDDEN)
    await say('two', JOHN)
    await say('three', HIDDEN)
    numbers = Object.fromEntries((await listed()).map(({ id, number }: Json) => [id, number]))
    const tag = await app.admin.post('/tags', { name: `VIP ${instance}`, color: '#ef4444' })
    await app.admin.put(`/conversations/${idOf(HIDDEN)}/tags`, { tag_ids: [tag.body.data.tag.id] })
    // There are two contacts, too.
    await endAtRest(app)
    await link()
  })

  it('is one conversation with everything that was said, in lists and in search', async () => {
    const [only, ...others] = await listed()
    expect(others).toEqual([])
    expect(only).toMatchObject({
      id: idOf(JOHN),
      contact_number: '5511999999999',
      last_message: 'three',
      unread_count: 3,
      tags: [{ name: `VIP ${instance}` }],
    })
    expect(wordsOf(await get(`/conversations/${idOf(JOHN)}/messages`))).toEqual(['one', 'two', 'three'])
    const found = await get(`/messages/search?q=one&instance_id=${instance}&conversation_id=${idOf(HIDDEN)}`)
    expect(found).toMatchObject([{ conversation_id: idOf(JOHN), conversation_number: numbers[idOf(JOHN)] }])
    expect((await get(`/conversations?instance_id=${instance}&unread=true`)).length).toBe(1)
  })

  it.each(['UUID', 'number'])('answers to the %s of the conversation that there is no more', async (by) => {
    const ref = by === 'UUID' ? idOf(HIDDEN) : String(numbers[idOf(HIDDEN)])
    const here = `/conversations/${ref}`
    expect(await get(here)).toMatchObject({ id: idOf(JOHN) })
    expect(wordsOf(await get(`${here}/messages`))).toEqual(['one', 'two', 'three'])
    expect(wordsOf(await get(`/chat${here}/messages`))).toEqual(['one', 'two', 'three'])
    expect(await get(`${here}/automation`)).toMatchObject({ conversation_id: idOf(JOHN) })
    expect((await get(`${here}/history`)).history.at(-1)).toMatchObject({
      type: 'conversation.united',
      data: { with: idOf(HIDDEN), added: [{ name: `VIP ${instance}` }] },
    })
    for (const [method, path] of [
      ['POST', `${here}/mark-read`],
      ['POST', `${here}/archive`],
      ['DELETE', `${here}/archive`],
      ['POST', `${here}/automation/pause`],
    ] as const) {
      const { status } = await app.admin.call(method, path, method === 'POST' ? {} : undefined)
      expect({ status, path }).toEqual({ status: 200, path })
    }
    expect(await listed()).toMatchObject([{ unread_count: 0, is_archived: false }])
    const { body } = await app.admin.post('/conversations/automation/bulk-pause', { conversation_ids: [ref] })
    expect(JSON.stringify(body)).not.toContain('NOT_FOUND')
    expect((await app.admin.call('DELETE', here)).status).toBe(200)
    expect(await listed()).toEqual([])
  })

  it('is written to by either address, in the one conversation', async () => {
    for (const recipient of [HIDDEN, JOHN]) {
      const answer = await app.admin.post('/send-message', {
        instance_id: instance,
        recipient,
        message: `to ${recipient}`,
      })
      expect(answer.status).toBe(200)
    }
    await say('four', HIDDEN)
    expect(wordsOf(await get(`/conversations/${idOf(JOHN)}/messages`))).toEqual([
      'one',
      'two',
      'three',
      `to ${HIDDEN}`,
      `to ${JOHN}`,
      'four',
    ])
    expect(await listed()).toHaveLength(1)
  })

  it('is one contact, by the ids of both', async () => {
    const people = () => get(`/contacts?instance_id=${instance}`)
    await eventually(async () => expect(await people()).toMatchObject([{ phone_number: '5511999999999' }]))
    const contact = await get(`/contacts/${contactId(instance, HIDDEN)}`)
    expect(contact).toMatchObject({ uuid: contactId(instance, JOHN), push_name: 'John' })
    const changed = await app.admin.put(`/contacts/${contactId(instance, HIDDEN)}`, { name: 'John Doe' })
    expect(changed.status).toBe(200)
    expect(await people()).toMatchObject([{ uuid: contactId(instance, JOHN), name: 'John Doe' }])
  })

  it('has the figures of both, each message counted once', async () => {
    const { totals } = await get(`/stats?instance_id=${instance}`)
    expect(totals).toMatchObject({ received: 3 })
  })
})

it('the same request as before, by the same key, is answered as before', async () => {
  const request = { instance_id: instance, recipient: HIDDEN, message: 'once' }
  const key = { 'idempotency-key': `before ${instance}` }
  const before = await app.admin.post('/send-message', request, key)
  await link()
  const after = await app.admin.post('/send-message', request, key)
  expect(after).toMatchObject({ status: 200, body: before.body })
  expect(wordsOf(await get(`/conversations/${idOf(JOHN)}/messages`))).toEqual(['once'])
})

it('subscribers are told of the contact, and of messages under the conversation that goes on', async () => {
  const receiver = await startReceiver()
  await app.admin.put(`/instances/${instance}/webhook`, { webhook_url: receiver.url })
  await app.admin.post('/send-message', { instance_id: instance, recipient: HIDDEN, message: 'hi' })
  await say('in his own', HIDDEN)
  await say('in John’s', JOHN)
  const told = (event: string) => receiver.received.filter((one) => one.event === event)
  await eventually(() => expect(told('message.received')).toHaveLength(2))
  await eventually(() => expect(told('contact.update')).toHaveLength(2))
  await link()
  await eventually(() => expect(told('contact.update')).toHaveLength(4))
  const people = told('contact.update')
    .slice(2)
    .map(({ data }) => [data['phone_number'], data['deleted']])
  expect(Object.fromEntries(people)).toEqual({ '171234567890123': true, '5511999999999': false })
  const [{ number }] = (await listed()) as [Json]
  const [message] = (await get(`/conversations/${idOf(JOHN)}/messages`)).messages
  await listener.receipt({ whatsappId: message.whatsapp_message_id, status: 'read', at: AT })
  await eventually(() =>
    expect(told('message.status').at(-1)?.data).toMatchObject({
      new_status: 'read',
      conversation_id: number,
    }),
  )
  await say('known', HIDDEN)
  await eventually(() =>
    expect(told('message.received').at(-1)?.data).toMatchObject({
      chat_id: JOHN,
      conversation_id: number,
      sender_number: '5511999999999',
    }),
  )
  await receiver.close()
})

describe('what was said before the phone was paired', () => {
  const past = (words: string, minutes: number, change: object = {}) =>
    say(words, JOHN, { past: true, at: new Date(Date.parse(AT) + minutes * 60_000).toISOString(), ...change })

  it('is there like any other message, in the order of its times, before what came since', async () => {
    await past('third', 3)
    await past('second, from the phone', 2, { fromMe: true, sender: '5511777777777@s.whatsapp.net' })
    await say('live one', JOHN, { at: '2025-01-15T10:40:00.000Z' })
    await past('first', 1)
    await say('live two', JOHN, { at: '2025-01-15T10:39:00.000Z' })
    const inOrder = ['first', 'second, from the phone', 'third', 'live one', 'live two']
    const messages = `/conversations/${idOf(JOHN)}/messages`
    const all = await get(messages)
    expect(wordsOf(all)).toEqual(inOrder)
    expect(all.messages.map(({ imported }: Json) => imported)).toEqual([true, true, true, false, false])
    expect(await listed()).toMatchObject([{ last_message: 'live two', unread_count: 2 }])

    const backwards: string[] = []
    for (let page = await get(`${messages}?limit=2`); ;) {
      backwards.unshift(...wordsOf(page))
      if (!page.has_more) break
      page = await get(`${messages}?limit=2&before_id=${page.oldest_id}`)
    }
    expect(backwards).toEqual(inOrder)
    const forwards: string[] = []
    for (let after = 0; ;) {
      const page = await get(`${messages}?limit=2&after_id=${after}`)
      forwards.push(...wordsOf(page))
      if (!page.has_more) break
      after = page.newest_id
    }
    expect(forwards).toEqual(inOrder)
    const until = await get(`${messages}?to=2025-01-15T10:32:00Z`)
    expect(wordsOf(until)).toEqual(['first', 'second, from the phone'])
    const newest = all.newest_id
    await past('even earlier', 0)
    expect(wordsOf(await get(`${messages}?after_id=${newest}`)), 'nobody waits for it').toEqual([])
  })

  it('shows as the last message where nothing newer came, whatever came last', async () => {
    await past('newer', 5)
    await past('older', 4)
    expect(await listed()).toMatchObject([
      { last_message: 'newer', last_message_at: '2025-01-15T10:35:00Z', unread_count: 0 },
    ])
  })

  it('is no news: told to nobody, counted nowhere; who wrote it is learned', async () => {
    const receiver = await startReceiver()
    await app.admin.put(`/instances/${instance}/webhook`, { webhook_url: receiver.url })
    await past('long ago', 1)
    await past('typed long ago', 2, { fromMe: true, sender: '5511777777777@s.whatsapp.net' })
    await listener.receipt({ whatsappId: `typed long ago ${instance}`, status: 'read', at: AT })
    await say('today', JOHN)
    await eventually(() =>
      expect(receiver.received.filter(({ event }) => event === 'message.received')).toHaveLength(1),
    )
    expect(receiver.received.filter(({ event }) => event.startsWith('message.'))).toMatchObject([
      { data: { content: 'today' } },
    ])
    const { totals } = await get(`/stats?instance_id=${instance}`)
    expect(totals).toMatchObject({ received: 1, sent: 0, read: 0 })
    await eventually(async () =>
      expect(await get(`/contacts?instance_id=${instance}`)).toMatchObject([{ push_name: 'John' }]),
    )
    await receiver.close()
  })
})
