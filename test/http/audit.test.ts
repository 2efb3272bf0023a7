import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contactId, conversationId, firstTenantId, messageId } from '../../src/domain/ids.ts'
import { START, type Recorded } from '../../src/ports/event-store.ts'
import { eventsOf } from '../../src/read-log.ts'
import type { GatewayListener } from '../../src/ports/gateway.ts'
import { type Answer, type Client, type Json } from '../support/client.ts'
import { jpeg, startFileServer } from '../support/files.ts'
import { startReceiver } from '../support/receiver.ts'
import { eventually } from '../support/eventually.ts'
import { startToldApp } from '../support/told-app.ts'
import { addTenant, instanceClient, userClient } from './world.ts'

const MARIA = '5511999999999'
const JOAO = '5511988888888'
const HIDDEN = '171234567890123@lid'
const jidOf = (number: string) => `${number}@s.whatsapp.net`

let app: Awaited<ReturnType<typeof startToldApp>>
let receiver: Awaited<ReturnType<typeof startReceiver>>
let files: Awaited<ReturnType<typeof startFileServer>>
let instance: string
let listener: GatewayListener
/** What requests were answered under, in order. */
const requestIds: string[] = []
let begun = START

const call = async (method: string, path: string, body?: unknown): Promise<Answer<Json>> => {
  const answer = await app.admin.call(method, path, body)
  expect({ status: answer.status < 300, path, body: answer.body }).toMatchObject({ status: true })
  requestIds.push(answer.headers.get('x-request-id') ?? '')
  return answer
}
const post = async (path: string, body: unknown = {}) => (await call('POST', path, body)).body
const get = async (path: string, client: Client = app.admin): Promise<Json> =>
  (await client.get(path)).body.data
const audit = (query: string): Promise<Json> => get(`/audit/events?limit=200&${query}`)
const conversation = (number: string) => conversationId(instance, jidOf(number))
const message = (whatsappId: string) => messageId(instance, whatsappId)

const wholeLog = async () => {
  const events: Recorded[] = []
  for await (const event of eventsOf(app.store, START, await app.store.head())) events.push(event)
  return events
}
/** Somebody writes: WhatsApp tells of it. */
const say = (whatsappId: string, from: string, words = whatsappId) =>
  listener.message({
    whatsappId,
    chat: jidOf(from),
    sender: jidOf(from),
    senderName: `Name of ${from}`,
    fromMe: false,
    content: { kind: 'text', text: words },
    at: new Date().toISOString(),
  })
/** Somebody sends a picture, whose file is kept here. */
const sendPicture = async (whatsappId: string, from: string) => {
  const told = { whatsappId, chat: jidOf(from), sender: jidOf(from), fromMe: false }
  const content = { kind: 'image', mimeType: 'image/jpeg', caption: 'look' } as const
  const kept = await listener.file({ ...told, content, body: Readable.from([jpeg]) })
  await listener.message({ ...told, content: kept, at: new Date().toISOString() })
}
const has = (type: string, stream: string) =>
  eventually(async () => {
    const found = (await wholeLog()).filter((event) => event.type === type && event.stream === stream)
    expect(found.length, `${type} of ${stream}`).toBeGreaterThan(0)
    return found
  })

beforeAll(async () => {
  app = await startToldApp()
  let isDown = true
  // Which event comes first is not sure: that the instance is connected may be told, too.
  receiver = await startReceiver(({ event, data }) => {
    if (!isDown || event !== 'message.received' || data['whatsapp_message_id'] !== 'FIRST')
      return { status: 200 }
    isDown = false
    return { status: 503 }
  })
  files = await startFileServer()
  ;({ instance, listener } = await app.pair())
  begun = await app.store.head()
  await call('PUT', `/instances/${instance}/webhook`, { webhook_url: receiver.url })
})
afterAll(async () => {
  await app.stop()
  await receiver.close()
  await files.close()
})

describe('what happens in a conversation', () => {
  let sent: Json
  beforeAll(async () => {
    // An automation that asks Maria, and hands over when she answers; her picture is new.
    await post(`/sandbox/instances/${instance}/contacts`, { of: MARIA, picture_url: `${files.url}/a.jpg` })
    await post(`/instances/${instance}/automations`, {
      name: 'Bot',
      kind: 'flow',
      definition: {
        trigger: { type: 'any' },
        steps: [{ type: 'ask', text: 'Name?', save_as: 'who' }, { type: 'hand_over' }],
      },
    })
    await say('FIRST', MARIA)
    await has('AutomationRunAdvanced', `run-${conversation(MARIA)}`)
    await has('ConversationPictured', `conversation-${conversation(MARIA)}`)
    await say('SECOND', MARIA)
    await has('AutomationPaused', `conversation-${conversation(MARIA)}`)
    sent = await post('/send-message', { instance_id: instance, recipient: MARIA, message: 'by hand' })
    await post('/send-reaction', { instance_id: instance, to: MARIA, messageId: 'FIRST', emoji: '👍' })
    await has('MessageReacted', `message-${message('FIRST')}`)
    await sendPicture('PICTURE', MARIA)
    await listener.change({
      targetWhatsappId: 'PICTURE',
      chat: jidOf(MARIA),
      by: jidOf(MARIA),
      fromMe: false,
      at: new Date().toISOString(),
    })
    await eventually(async () => expect((await wholeLog()).map(({ type }) => type)).toContain('MediaDeleted'))
    // João is asked, too; a person takes over. Another one of whom it turns out that he is João.
    await say('THIRD', JOAO)
    await has('AutomationRunAdvanced', `run-${conversation(JOAO)}`)
    await post(`/conversations/${conversation(JOAO)}/automation/pause`)
    await has('AutomationRunEnded', `run-${conversation(JOAO)}`)
    await listener.message({
      whatsappId: 'HIDDEN',
      chat: HIDDEN,
      sender: HIDDEN,
      fromMe: false,
      content: { kind: 'text', text: 'HIDDEN' },
      at: new Date().toISOString(),
    })
    await has('AutomationRunAdvanced', `run-${conversationId(instance, HIDDEN)}`)
    // There are two contacts that can become one.
    for (const address of [HIDDEN, jidOf(JOAO)])
      await has('ContactLearned', `contact-${contactId(instance, address)}`)
    await listener.addressLink({ from: HIDDEN, to: jidOf(JOAO), at: new Date().toISOString() })
    await has('AutomationRunEnded', `run-${conversationId(instance, HIDDEN)}`)
  })

  it('is caused by what came before it: every reaction names its event, every request is known by its id', async () => {
    const events = await wholeLog()
    const byId = new Map(events.map((event) => [event.id, event]))
    const led = new Set<string>()
    for (const { type, position, meta } of events) {
      const cause = meta.causation === undefined ? undefined : byId.get(meta.causation)
      if (meta.causation !== undefined) {
        expect(cause, `${type} names an event of the log`).toBeDefined()
        expect(cause?.position, type).toBeLessThan(position)
        expect(cause?.meta, type).toMatchObject({ tenant: meta.tenant, correlation: meta.correlation })
        led.add(`${cause?.type} → ${meta.actor.kind} ${type}`)
      } else if (meta.actor.kind === 'user' && position > begun)
        expect(requestIds).toContain(meta.correlation)
      else expect(['user', 'gateway', 'system'], type).toContain(meta.actor.kind)
      if (meta.actor.kind === 'automation') expect(cause, type).toBeDefined()
    }
    expect([...led].toSorted()).toEqual([
      'AutomationPaused → system AutomationRunEnded',
      'ConversationMerged → system AutomationRunEnded',
      'MessageDeleted → system MediaDeleted',
      'MessageQueued → gateway MessageReacted',
      'MessageQueued → gateway MessageSent',
      'MessageReceived → automation AutomationPaused',
      'MessageReceived → automation AutomationRunAdvanced',
      'MessageReceived → automation AutomationRunEnded',
      'MessageReceived → automation AutomationRunStarted',
      'MessageReceived → automation MessageQueued',
      'MessageReceived → gateway ContactLearned',
      'MessageReceived → gateway ConversationPictured',
      'MessageReceived → gateway MediaStored',
    ])
    // Whatever nothing led to was told by WhatsApp, asked for, or is how a deployment begins.
    const first = events.filter(({ meta }) => meta.causation === undefined && meta.actor.kind !== 'user')
    expect(new Set(first.map(({ type, meta }) => `${meta.actor.kind} ${type}`))).toEqual(
      new Set([
        'system TenantCreated',
        'system UserCreated',
        'gateway InstanceQrIssued',
        'gateway InstanceConnected',
        'gateway ConversationStarted',
        'gateway MediaStored',
        'gateway MessageReceived',
        'gateway MessageDeleted',
        'gateway AddressLinked',
        'gateway ConversationMerged',
        'gateway ConversationUnited',
        'gateway ContactMerged',
        'gateway ContactUnited',
      ]),
    )
  })

  it('has one correlation with the file that came with it', async () => {
    const { events } = await audit(`message_id=${message('PICTURE')}&type=MediaStored,MessageReceived`)
    expect(events).toHaveLength(2)
    expect(events[0].cause.correlation_id).toBe(events[1].cause.correlation_id)
  })

  it('leads from a webhook attempt back to the WhatsApp message', async () => {
    const delivery: Json = await eventually(async () => {
      const { deliveries } = await get(`/instances/${instance}/webhook/deliveries?limit=100&state=delivered`)
      const found = deliveries.find(
        ({ event, payload }: Json) =>
          event === 'message.received' && payload.data.whatsapp_message_id === 'FIRST',
      )
      expect(found).toBeDefined()
      return found
    })
    const { chain } = await get(`/audit/causes/${delivery.id}`)
    expect(chain.map(({ kind, type }: Json) => type ?? kind)).toEqual([
      'delivery',
      'public_event',
      'MessageReceived',
      'whatsapp',
    ])
    const [told, event, stored, cause] = chain
    expect(told.attempts.map(({ status }: Json) => status)).toEqual([503, 200])
    expect(event).toEqual({ kind: 'public_event', id: delivery.event_id, event: 'message.received' })
    expect(stored).toMatchObject({ id: delivery.causation_id, stream: `message-${message('FIRST')}` })
    expect(cause).toEqual({
      kind: 'whatsapp',
      correlation_id: stored.cause.correlation_id,
      actor: { kind: 'gateway', id: null, name: null },
      whatsapp_message_id: 'FIRST',
    })
    expect(await get(`/audit/causes/${delivery.event_id}`)).toEqual({ chain })
    expect(await get(`/audit/causes/${stored.id}`)).toEqual({ chain: chain.slice(2) })
  })

  it('leads from a webhook back to the request that sent the message, and to her to whom automation answered', async () => {
    const request = requestIds[requestIds.length - 1]
    expect(request).toBeDefined()
    const deliveryOf = async (messageUuid: string) =>
      eventually(async () => {
        const { deliveries } = await get(`/instances/${instance}/webhook/deliveries?limit=100`)
        const found = deliveries.find(
          ({ event, payload }: Json) => event === 'message.sent' && payload.data.message_id === messageUuid,
        )
        expect(found).toBeDefined()
        return found
      })
    const byHand = (await get(`/audit/causes/${(await deliveryOf(sent.message_uuid)).id}`)).chain
    expect(byHand.map(({ kind, type }: Json) => type ?? kind)).toEqual([
      ...['delivery', 'public_event', 'MessageSent', 'MessageQueued', 'request'],
    ])
    expect(requestIds).toContain(byHand.at(-1).correlation_id)
    expect(byHand.at(-1)).toMatchObject({ actor: { kind: 'user', name: 'Administrator' } })

    const [queued] = (
      await audit(`conversation_id=${conversation(MARIA)}&type=MessageQueued&actor=automation`)
    ).events
    const byBot = (await get(`/audit/causes/${(await deliveryOf(queued.stream.slice(8))).id}`)).chain
    expect(byBot.map(({ kind, type }: Json) => type ?? kind)).toEqual([
      ...['delivery', 'public_event', 'MessageSent', 'MessageQueued', 'MessageReceived', 'whatsapp'],
    ])
    expect(byBot.at(-1)).toMatchObject({ whatsapp_message_id: 'FIRST' })
  })

  it('names the message that WhatsApp told of, also where the event is about something else', async () => {
    const { events } = await audit(`conversation_id=${conversation(MARIA)}&type=ConversationStarted`)
    const { chain } = await get(`/audit/causes/${events[0].id}`)
    expect(chain.at(-1)).toMatchObject({ kind: 'whatsapp', whatsapp_message_id: 'FIRST' })
  })

  it('is a timeline: messages, files, runs and merges, with who did it and why, page by page', async () => {
    const whole = (await get(`/conversations/${conversation(MARIA)}/history`)).history
    const types = whole.map(({ type }: Json) => type)
    for (const type of [
      ...['conversation.started', 'message.received', 'message.queued', 'message.sent', 'message.reaction'],
      ...['message.deleted', 'media.stored', 'media.deleted', 'run.started', 'automation.paused'],
    ])
      expect(types).toContain(type)
    const received = whole.find(({ type }: Json) => type === 'message.received')
    expect(received).toMatchObject({
      actor: { kind: 'gateway' },
      cause: { correlation_id: expect.any(String), causation_id: null, type: null, stream: null },
      data: {
        message_id: message('FIRST'),
        whatsapp_message_id: 'FIRST',
        text: 'FIRST',
        sender_number: MARIA,
      },
    })
    const bySent = whole.find(
      ({ type, data }: Json) => type === 'message.sent' && data.message_id === sent.message_uuid,
    )
    expect(bySent.cause).toMatchObject({ type: 'MessageQueued', stream: `message-${sent.message_uuid}` })
    const picture = whole.find(({ data }: Json) => data.whatsapp_message_id === 'PICTURE')
    expect(picture.data, 'what was taken back is not told').toMatchObject({ kind: 'image', text: null })

    const pages: Json[] = []
    for (let cursor = ''; ;) {
      const page = await get(`/conversations/${conversation(MARIA)}/history?limit=4${cursor}`)
      pages.unshift(...page.history)
      if (!page.has_more) break
      cursor = `&cursor=${page.next_cursor}`
    }
    expect(pages).toEqual(whole)
  })

  it('has in the timeline what happened to a conversation before it became part of this one', async () => {
    const { history } = await get(`/conversations/${conversation(JOAO)}/history`)
    const said = history.filter(({ type }: Json) => type === 'message.received')
    expect(said.map(({ data }: Json) => data.text)).toEqual(['THIRD', 'HIDDEN'])
    expect(history.map(({ type }: Json) => type)).toEqual(
      expect.arrayContaining(['conversation.merged', 'conversation.united']),
    )
    expect((await audit(`conversation_id=${conversationId(instance, HIDDEN)}`)).events.length).toBe(
      (await audit(`conversation_id=${conversation(JOAO)}`)).events.length,
    )
  })

  it('is found by number as by UUID, by what did it and by what it was part of', async () => {
    const { number, id } = await get(`/conversations/${conversation(MARIA)}`)
    expect(await audit(`conversation_id=${number}`)).toEqual(await audit(`conversation_id=${id}`))
    const [shop] = (await get('/instances')).instances
    expect((await audit(`instance_id=${shop.id}`)).events).toEqual(
      (await audit(`instance_id=${instance}`)).events,
    )
    const byUser = (await audit('user_id=1&actor=user')).events
    expect(byUser.length).toBeGreaterThan(3)
    expect(byUser[0].actor).toMatchObject({ kind: 'user', name: 'Administrator' })
    const [message] = (await get(`/conversations/${id}/messages`)).messages
    expect((await audit(`message_id=${message.id}&order=asc`)).events[0]).toMatchObject({
      type: 'MessageReceived',
      summary: `Message ${message.id} came from ${MARIA}, a text: “FIRST”`,
    })
    const correlation = (await audit('type=AutomationPaused')).events.at(-1).cause.correlation_id
    const set = (await audit(`correlation_id=${correlation}&order=asc`)).events
    expect(set.map(({ type }: Json) => type)).toEqual(
      expect.arrayContaining(['MessageReceived', 'AutomationPaused']),
    )
    const [received] = set.filter(({ type }: Json) => type === 'MessageReceived')
    const led = (await audit(`causation_id=${received.id}`)).events
    expect(led.map(({ type }: Json) => type)).toContain('AutomationRunEnded')
    expect(led.every(({ cause }: Json) => cause.type === 'MessageReceived')).toBe(true)
  })

  it('ends with the conversation: its deletion is told, with what followed from it, and nothing from before', async () => {
    await sendPicture('FILE', JOAO)
    await call('DELETE', `/conversations/${conversation(JOAO)}`)
    await say('ANEW', JOAO)
    await eventually(async () => {
      const { history } = await get(`/conversations/${conversation(JOAO)}/history`)
      const types = history.map(({ type }: Json) => type)
      expect(types[0]).toBe('conversation.deleted')
      expect(types).toContain('media.deleted')
      expect(types.filter((type: string) => type === 'message.received')).toHaveLength(1)
      const removal = history.find(({ type }: Json) => type === 'media.deleted')
      expect(removal).toMatchObject({
        actor: { kind: 'system' },
        cause: { type: 'ConversationDeleted' },
        data: { reason: 'conversation_deleted' },
      })
    })
    const whole = (await audit(`conversation_id=${conversation(JOAO)}&type=MessageReceived`)).events
    expect(whole.length, 'an auditor sees all of it').toBeGreaterThan(2)
  })
})

describe('the audit of an account', () => {
  it('is for its administrators, and shows nothing of another one', async () => {
    for (const client of [
      await userClient(app, 'agent'),
      await userClient(app, 'viewer'),
      await instanceClient(app.admin, instance),
    ])
      for (const path of ['/audit/events', '/audit/causes/1'])
        expect((await client.get(path)).status, path).toBe(403)
    const { client, tenant } = await addTenant(app, 'stranger')
    const { events } = await get('/audit/events?limit=200', client)
    expect(events.length).toBeGreaterThan(1)
    const own = (await wholeLog()).filter(({ meta }) => meta.tenant === tenant.uuid).map(({ id }) => id)
    expect(events.map(({ id }: Json) => id).toSorted()).toEqual(own.toSorted())
    const [theirs] = (await audit('type=MessageReceived')).events
    const known = [
      ...[
        `conversation_id=${conversation(MARIA)}`,
        `message_id=${message('FIRST')}`,
        `instance_id=${instance}`,
      ],
      ...[`conversation_id=1`, `message_id=1`, `instance_id=1`, `user_id=1`],
    ]
    for (const query of known) expect((await client.get(`/audit/events?${query}`)).status, query).toBe(404)
    for (const query of [`correlation_id=${theirs.cause.correlation_id}`, `causation_id=${theirs.id}`])
      expect((await get(`/audit/events?${query}`, client)).events).toEqual([])
    for (const id of [theirs.id, '1', '2']) expect((await client.get(`/audit/causes/${id}`)).status).toBe(404)
  })

  it('has what is deleted, by its UUID', async () => {
    const made = await post('/tags', { name: 'short-lived', color: '#ef4444' })
    const { uuid } = (
      await post('/contacts', { instance_id: instance, phone_number: '5511900000000', name: 'Ann' })
    ).data
    await call('DELETE', `/contacts/${uuid}`)
    await call('DELETE', `/tags/${made.data.tag.id}`)
    expect((await audit(`contact_id=${uuid}`)).events.map(({ type }: Json) => type)).toEqual([
      'ContactDeleted',
      'ContactCreated',
    ])
    expect((await app.admin.get(`/audit/events?contact_id=${message('NOBODY')}`)).status).toBe(404)
  })

  it('never shows what opens anything', async () => {
    await post(`/instances/${instance}/tokens`, { name: 'CRM' })
    const { events } = await audit(
      'type=UserCreated,TokenIssued,InstanceCreated,WebhookConfigured,InstanceQrIssued',
    )
    const data = Object.fromEntries(events.map(({ type, data }: Json) => [type, data]))
    expect(data).toMatchObject({
      UserCreated: { passwordHash: '[hidden]', name: 'Administrator' },
      TokenIssued: { hash: '[hidden]' },
      InstanceCreated: { hookSecret: '[hidden]', provider: 'sandbox' },
      WebhookConfigured: { secret: '[hidden]', url: receiver.url },
      InstanceQrIssued: { qr: '[hidden]' },
    })
    expect((await audit('type=MediaStored')).events[0].data.key).toBe('[hidden]')
  })

  it('is read page by page while it grows: nothing is missed, nothing comes twice', async () => {
    let isOpen = true
    const writing = (async () => {
      for (let n = 0; isOpen; n++) await post('/tags', { name: `tag ${n}`, color: '#ef4444' })
    })()
    const read = async (order: 'asc' | 'desc', enough: (lines: Json[], more: boolean) => boolean) => {
      const lines: Json[] = []
      for (let cursor = ''; ;) {
        const page = await get(`/audit/events?order=${order}&limit=7${cursor}`)
        lines.push(...page.events)
        if (enough(lines, page.has_more)) return lines.map(({ id }) => id)
        if (page.next_cursor !== null) cursor = `&cursor=${page.next_cursor}`
      }
    }
    const before = (await wholeLog()).filter(({ meta }) => meta.tenant === firstTenantId).length
    const backwards = await read('desc', (_, more) => !more)
    const forwards = await read('asc', (lines) => lines.length > before + 20)
    isOpen = false
    await writing
    const own = (await wholeLog()).filter(({ meta }) => meta.tenant === firstTenantId).map(({ id }) => id)
    expect(forwards).toEqual(own.slice(0, forwards.length))
    const newest = own.indexOf(backwards[0])
    expect(backwards).toEqual(own.slice(0, newest + 1).toReversed())
  })

  it('refuses what is no cursor, type or time', async () => {
    for (const query of [
      'cursor=!!',
      'cursor=LTE',
      'type=MessageEaten',
      'from=yesterday',
      'actor=nobody',
      'limit=201',
    ])
      expect((await app.admin.get(`/audit/events?${query}`)).status, query).toBe(422)
    expect(app.faults).toEqual([])
  })
})
