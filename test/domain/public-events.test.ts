import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { Contact, type ContactEvent } from '../../src/domain/contact.ts'
import type { Content } from '../../src/domain/content.ts'
import { fold } from '../../src/domain/decider.ts'
import { publicEventId } from '../../src/domain/ids.ts'
import { Instance, type InstanceEvent } from '../../src/domain/instance.ts'
import { Message, type MessageEvent } from '../../src/domain/message.ts'
import { publicEvents, type PublicEvent } from '../../src/domain/public-events.ts'
import { tellOfContact, tellOfInstance, tellOfMessage } from '../../src/domain/telling.ts'
import { AT, incoming, INSTANCE, JOHN, later, MARY, meta, outgoing, placeIn, TEAM } from '../support/facts.ts'

const EVENT = '0190d0a0-0000-7000-8000-00000000000e'
const MESSAGE = '055f01b2-da7b-476b-9a5d-dcecb3fe510c'
const ajv = formats.default(new Ajv({ strict: false }))

/** What one stored event tells after others; every fact fits its public schema. */
const checked = (told: PublicEvent[]) => {
  for (const { type, data } of told) {
    ajv.validate(publicEvents[type], data)
    expect(ajv.errors, type).toBeNull()
  }
  return told
}
const source = { id: EVENT, meta }
const toldOfMessage = (past: MessageEvent[], event: MessageEvent) =>
  checked(tellOfMessage(fold(Message, past), { ...event, ...source, stream: `message-${MESSAGE}` }))
const CONTACT = '055f01b2-da7b-476b-9a5d-dcecb3fe510d'
const toldOfContact = (past: ContactEvent[], event: ContactEvent) =>
  checked(tellOfContact(fold(Contact, past), { ...event, ...source, stream: `contact-${CONTACT}` }))
const toldOfInstance = (past: InstanceEvent[], event: InstanceEvent) =>
  checked(tellOfInstance(fold(Instance, past), { ...event, ...source, stream: `instance-${INSTANCE}` }))

const ids = { number: 456, conversationNumber: 123, whatsappId: '3EB0ABC123456789' }
const queuedAs = (content: Content): MessageEvent => ({
  type: 'MessageQueued',
  data: outgoing('', { ...ids, chat: MARY, content }),
})
const queued = queuedAs({ kind: 'text', text: 'Thanks for contacting us!' })
const step = (seconds: number) => ({ ...placeIn(MARY), at: later(seconds) })
const sent: MessageEvent = { type: 'MessageSent', data: { ...step(60), kind: 'text' } }
const delivered: MessageEvent = { type: 'MessageDelivered', data: step(120) }
const received = (change: Parameters<typeof incoming>[1]): MessageEvent => ({
  type: 'MessageReceived',
  data: incoming('', { ...ids, content: { kind: 'text', text: 'Hello, I need help!' }, ...change }),
})

describe('messages', () => {
  test('message.received has the fields of the reference, and more', () =>
    expect(toldOfMessage([], received({}))).toEqual([
      {
        id: publicEventId(EVENT, 0),
        type: 'message.received',
        tenantId: meta.tenant,
        instanceId: INSTANCE,
        key: placeIn(JOHN).conversationId,
        correlation: 'test',
        causation: EVENT,
        at: AT,
        data: {
          message_id: MESSAGE,
          whatsapp_message_id: '3EB0ABC123456789',
          sender_number: '5511999999999',
          sender_name: 'John Doe',
          content: 'Hello, I need help!',
          media_type: null,
          media_url: null,
          timestamp: '2025-01-15T10:30:00+00:00',
          conversation_id: 123,
          chat_id: JOHN,
          is_group: false,
          reply_to: null,
        },
      },
    ]))

  test('message.received in a group names the author and the group', () =>
    expect(
      toldOfMessage([], received({ ...placeIn(TEAM), chat: TEAM, sender: MARY, senderName: 'Mary' }))[0]
        ?.data,
    ).toMatchObject({ sender_number: '5511888888888', sender_name: 'Mary', chat_id: TEAM, is_group: true }))

  test('message.received of media has its kind, address and caption', () => {
    const image: Content = {
      kind: 'image',
      url: 'https://example.com/a.jpg',
      caption: 'Look',
      replyTo: '3EB0DEF',
    }
    expect(toldOfMessage([], received({ content: image }))[0]?.data).toMatchObject({
      content: 'Look',
      media_type: 'image',
      media_url: 'https://example.com/a.jpg',
      reply_to: '3EB0DEF',
    })
    expect(toldOfMessage([], received({ content: { kind: 'audio' } }))[0]?.data).toMatchObject({
      content: null,
      media_type: 'audio',
      media_url: null,
    })
  })

  const details = { location: undefined, contacts: undefined, poll: undefined }
  test.each<[Content, object]>([
    [
      { kind: 'location', latitude: 1, longitude: 2, name: 'Home', address: '1 Road' },
      {
        content: 'Home\n1 Road',
        location: { latitude: 1, longitude: 2, name: 'Home', address: '1 Road' },
      },
    ],
    [
      { kind: 'location', latitude: 1, longitude: 2 },
      { content: null, location: { latitude: 1, longitude: 2, name: null, address: null } },
    ],
    [
      { kind: 'contact', contacts: ['Ann', 'Bob'].map((displayName) => ({ displayName, vcard: 'BEGIN' })) },
      {
        content: 'Ann, Bob',
        contacts: ['Ann', 'Bob'].map((name) => ({ display_name: name, vcard: 'BEGIN' })),
      },
    ],
    [
      { kind: 'poll', question: 'When?', options: ['Now', 'Never'], selectable: 1 },
      { content: 'When?', poll: { question: 'When?', options: ['Now', 'Never'], selectable: 1 } },
    ],
    [{ kind: 'text', text: 'Hi' }, { content: 'Hi' }],
  ])('%o has its text, and what it says beside it', (content, expected) => {
    const [told] = toldOfMessage([], received({ content }))
    expect({ ...details, ...told?.data }).toMatchObject({ ...details, media_type: null, ...expected })
  })

  test('message.received of media whose file could not be had says why, and no other one does', () => {
    const missing = received({ content: { kind: 'image', caption: 'Look', mediaMissing: 'expired' } })
    expect(toldOfMessage([], missing)[0]?.data).toMatchObject({
      content: 'Look',
      media_type: 'image',
      media_url: null,
      media_missing: 'expired',
    })
    const there = received({ content: { kind: 'image' } })
    expect(toldOfMessage([], there)[0]?.data).not.toHaveProperty('media_missing')
  })

  test('what there are no words for is told by its name, without content', () =>
    expect(
      toldOfMessage([], received({ content: { kind: 'other', description: 'poll' } }))[0]?.data,
    ).toMatchObject({ content: null, media_type: null, other: 'poll' }))

  test('message.sent has the fields of the reference, and more', () =>
    expect(toldOfMessage([queued], sent).map(({ type, at, key, data }) => ({ type, at, key, data }))).toEqual(
      [
        {
          type: 'message.sent',
          at: later(60),
          key: placeIn(MARY).conversationId,
          data: {
            message_id: MESSAGE,
            whatsapp_message_id: '3EB0ABC123456789',
            recipient_number: '5511888888888',
            content: 'Thanks for contacting us!',
            media_type: null,
            media_url: null,
            timestamp: '2025-01-15T10:31:00+00:00',
            conversation_id: 123,
            chat_id: MARY,
            is_group: false,
            reply_to: null,
            source: 'api',
          },
        },
      ],
    ))

  test('message.sent tells of what was typed on the phone too', () => {
    const typed: MessageEvent = { type: 'MessageSentFromPhone', data: incoming('Hi', { ...ids, chat: MARY }) }
    expect(toldOfMessage([], typed)[0]).toMatchObject({
      type: 'message.sent',
      data: { source: 'phone', recipient_number: '5511888888888', content: 'Hi' },
    })
  })

  test('message.status has the fields of the reference, and more', () =>
    expect(
      toldOfMessage([queued, sent], delivered).map(({ type, at, data }) => ({ type, at, data })),
    ).toEqual([
      {
        type: 'message.status',
        at: later(120),
        data: {
          message_id: MESSAGE,
          whatsapp_message_id: '3EB0ABC123456789',
          previous_status: 'sent',
          new_status: 'delivered',
          recipient_number: '5511888888888',
          timestamp: '2025-01-15T10:32:00+00:00',
          conversation_id: 123,
        },
      },
    ]))

  test.each([
    [[queued, sent, delivered], { type: 'MessageRead', data: step(3) }, 'delivered', 'read'],
    [[queued, sent], { type: 'MessagePlayed', data: step(3) }, 'sent', 'played'],
    [[queued], { type: 'MessageFailed', data: { ...step(3), reason: 'no such number' } }, 'queued', 'failed'],
  ] satisfies [MessageEvent[], MessageEvent, string, string][])(
    'message.status names the status before and after: $2, $3',
    (past, event, previous_status, new_status) =>
      expect(toldOfMessage(past, event)[0]?.data).toMatchObject({ previous_status, new_status }),
  )

  test('message.status of a failure says why', () =>
    expect(
      toldOfMessage([queued], { type: 'MessageFailed', data: { ...step(1), reason: 'no such number' } })[0]
        ?.data,
    ).toMatchObject({ error: 'no such number' }))

  test('message.reaction names the message, the person and the emoji', () => {
    const reaction: MessageEvent = {
      type: 'MessageReacted',
      data: {
        ...step(5),
        conversationNumber: 123,
        targetWhatsappId: '3EB0DEF',
        by: JOHN,
        byName: 'John',
        fromMe: false,
        emoji: '👍',
      },
    }
    expect(toldOfMessage([], reaction)[0]).toMatchObject({
      type: 'message.reaction',
      data: {
        message_id: MESSAGE,
        whatsapp_message_id: '3EB0DEF',
        sender_number: '5511999999999',
        sender_name: 'John',
        from_me: false,
        emoji: '👍',
        timestamp: '2025-01-15T10:30:05+00:00',
        conversation_id: 123,
      },
    })
  })

  test('queueing is nobody else’s business', () => expect(toldOfMessage([], queued)).toEqual([]))

  test('a reaction on its way out is told once, as a reaction', () => {
    const out = queuedAs({ kind: 'reaction', targetWhatsappId: '3EB0DEF', emoji: '👍' })
    expect(toldOfMessage([out], { type: 'MessageSent', data: { ...step(1), kind: 'reaction' } })).toEqual([])
    expect(toldOfMessage([out], delivered)).toEqual([])
  })
})

describe('instances', () => {
  const created: InstanceEvent = {
    type: 'InstanceCreated',
    data: { number: 18, name: 'Shop', provider: 'sandbox', hookSecret: 'x', at: AT },
  }
  const issued: InstanceEvent = {
    type: 'InstanceQrIssued',
    data: { qr: '2@ABC123', expiresAt: later(60), at: AT },
  }
  const connected: InstanceEvent = {
    type: 'InstanceConnected',
    data: { phoneNumber: '5511999999999', at: AT },
  }

  test('instance.connected has the fields of the reference', () =>
    expect(toldOfInstance([created, issued], connected)).toEqual([
      {
        id: publicEventId(EVENT, 0),
        type: 'instance.connected',
        tenantId: meta.tenant,
        instanceId: INSTANCE,
        key: INSTANCE,
        correlation: 'test',
        causation: EVENT,
        at: AT,
        data: { previous_status: 'qr_ready', new_status: 'connected', phone_number: '5511999999999' },
      },
    ]))

  test('instance.disconnected names the status before, the phone and the reason', () =>
    expect(
      toldOfInstance([created, connected], {
        type: 'InstanceDisconnected',
        data: { status: 'offline', reason: 'no network', at: AT },
      })[0],
    ).toMatchObject({
      type: 'instance.disconnected',
      data: {
        previous_status: 'connected',
        new_status: 'offline',
        phone_number: '5511999999999',
        reason: 'no network',
      },
    }))

  test('instance.qr has the code and when it ends', () =>
    expect(toldOfInstance([created], issued)[0]).toMatchObject({
      type: 'instance.qr',
      data: { qr_code_text: '2@ABC123', expires_at: '2025-01-15T10:31:00+00:00' },
    }))

  test('what is wanted of an instance is not told, only what became of it', () => {
    for (const type of ['InstanceOpened', 'InstanceClosed', 'InstanceDeleted'] as const)
      expect(toldOfInstance([created], { type, data: { at: AT } })).toEqual([])
    expect(toldOfInstance([], created)).toEqual([])
  })

  test('which node has an instance is nobody’s business outside', () =>
    expect(
      toldOfInstance([created], { type: 'InstanceAssigned', data: { node: 'node-2', term: 2, at: AT } }),
    ).toEqual([]))
})

describe('contacts', () => {
  const place = { number: 7, instanceId: INSTANCE, jid: JOHN }
  const learned: ContactEvent = { type: 'ContactLearned', data: { ...place, pushName: 'Johnny', at: AT } }
  const created: ContactEvent = {
    type: 'ContactCreated',
    data: { ...place, name: 'John Doe', email: 'john@example.com', notes: 'VIP', at: later(60) },
  }
  const deleted: ContactEvent = { type: 'ContactDeleted', data: { at: later(120) } }

  test('who is learned is told under the own name, in order by contact', () =>
    expect(toldOfContact([], learned)).toEqual([
      expect.objectContaining({
        type: 'contact.update',
        instanceId: INSTANCE,
        key: CONTACT,
        at: AT,
        data: {
          contact_id: 7,
          contact_uuid: CONTACT,
          phone_number: '5511999999999',
          name: null,
          push_name: 'Johnny',
          display_name: 'Johnny',
          email: null,
          company: null,
          deleted: false,
          timestamp: '2025-01-15T10:30:00+00:00',
        },
      }),
    ]))
  test('who is saved is told as the contact is from then on, without notes', () => {
    const [told] = toldOfContact([learned], created)
    expect(told?.data).toMatchObject({
      name: 'John Doe',
      push_name: 'Johnny',
      display_name: 'John Doe',
      email: 'john@example.com',
    })
    expect(JSON.stringify(told)).not.toContain('VIP')
  })
  test('a change is told with all that is said', () => {
    const change: ContactEvent = { type: 'ContactChanged', data: { company: 'Acme Inc', at: later(90) } }
    expect(toldOfContact([created], change)[0]?.data).toMatchObject({
      name: null,
      display_name: '5511999999999',
      email: null,
      company: 'Acme Inc',
      timestamp: '2025-01-15T10:31:30+00:00',
    })
  })
  test('a deletion is told with no more than which contact it was', () =>
    expect(toldOfContact([learned, created], deleted)[0]).toMatchObject({
      key: CONTACT,
      data: {
        contact_id: 7,
        contact_uuid: CONTACT,
        phone_number: '',
        display_name: '',
        name: null,
        push_name: null,
        email: null,
        company: null,
        deleted: true,
      },
    }))
})

describe('the past', () => {
  const imported = received({ importedAt: later(60) })
  test('is no news: neither what was said, nor what happened to it before it was imported', () => {
    expect(toldOfMessage([], imported)).toEqual([])
    expect(toldOfMessage([], { ...imported, type: 'MessageSentFromPhone' } as MessageEvent)).toEqual([])
    const edited = { ...placeIn(JOHN), number: 456, text: 'bye', fromMe: false, past: true as const, at: AT }
    expect(toldOfMessage([imported], { type: 'MessageEdited', data: edited })).toEqual([])
    const read = { ...placeIn(JOHN), past: true as const, at: AT }
    expect(toldOfMessage([imported], { type: 'MessageRead', data: read })).toEqual([])
  })
  test('has news of today told', () => {
    const edited = { ...placeIn(JOHN), number: 456, text: 'bye', fromMe: false, at: later(61) }
    expect(toldOfMessage([imported], { type: 'MessageEdited', data: edited })).toMatchObject([
      { type: 'message.edited', data: { content: 'bye', conversation_id: 123 } },
    ])
  })
})

describe('a contact that turns out to be another one', () => {
  const learned: ContactEvent = {
    type: 'ContactLearned',
    data: { number: 9, instanceId: INSTANCE, jid: '171234567890123@lid', pushName: 'John', at: AT },
  }
  test('is gone under its own id, and what is known of the other one is told', () => {
    const merged = { instanceId: INSTANCE, into: MESSAGE, jid: JOHN, at: later(1) }
    expect(toldOfContact([learned], { type: 'ContactMerged', data: merged })).toMatchObject([
      { type: 'contact.update', data: { contact_id: 9, deleted: true } },
    ])
    const united = { number: 7, instanceId: INSTANCE, jid: JOHN, pushName: 'John', saved: false }
    const data = { ...united, with: CONTACT, aliases: [CONTACT, '9'], at: later(1) }
    expect(toldOfContact([], { type: 'ContactUnited', data })).toMatchObject([
      {
        type: 'contact.update',
        data: { contact_id: 7, phone_number: '5511999999999', push_name: 'John', deleted: false },
      },
    ])
  })
})
