import { contactId, conversationId, messageId, publicEventId } from './ids.ts'
import type { Fact, PublicEvent } from './public-events.ts'
import { offsetTime } from './values.ts'

const AT = '2025-01-15T10:30:00.000Z'
const TENANT = '0190d0a0-0000-7000-8000-000000000001'
const INSTANCE = '550e8400-e29b-41d4-a716-446655440000'
const CHAT = '5511999999999@s.whatsapp.net'
const WHATSAPP_ID = '3EB0ABC123456789'

const message = {
  message_id: messageId(INSTANCE, WHATSAPP_ID),
  whatsapp_message_id: WHATSAPP_ID,
  timestamp: offsetTime(AT),
  conversation_id: 123,
}
const text = {
  ...message,
  media_type: null,
  media_url: null,
  chat_id: CHAT,
  is_group: false,
  reply_to: null,
}
const sender = { sender_number: '5511999999999', sender_name: 'John Doe' }
const recipient = { recipient_number: '5511999999999' }
const account = { phone_number: '5511777777777' }

const facts: readonly Fact[] = [
  { type: 'message.received', at: AT, data: { ...text, content: 'Hello, I need help!', ...sender } },
  {
    type: 'message.sent',
    at: AT,
    data: { ...text, content: 'Thanks for contacting us!', ...recipient, source: 'api' },
  },
  {
    type: 'message.status',
    at: AT,
    data: { ...message, previous_status: 'sent', new_status: 'delivered', ...recipient },
  },
  { type: 'message.reaction', at: AT, data: { ...message, ...sender, from_me: false, emoji: '👍' } },
  {
    type: 'message.edited',
    at: AT,
    data: { ...message, from_me: false, content: 'Hello, I need your help!' },
  },
  { type: 'message.deleted', at: AT, data: { ...message, from_me: false } },
  {
    type: 'contact.update',
    at: AT,
    data: {
      contact_id: 456,
      contact_uuid: contactId(INSTANCE, CHAT),
      phone_number: '5511999999999',
      name: 'John Doe',
      push_name: 'Johnny',
      display_name: 'John Doe',
      email: 'john@example.com',
      company: 'Acme Inc',
      deleted: false,
      timestamp: offsetTime(AT),
    },
  },
  {
    type: 'instance.connected',
    at: AT,
    data: { previous_status: 'qr_ready', new_status: 'connected', ...account },
  },
  {
    type: 'instance.disconnected',
    at: AT,
    data: { previous_status: 'connected', new_status: 'offline', ...account, reason: 'no network' },
  },
  {
    type: 'instance.qr',
    at: AT,
    data: { qr_code_text: '2@ABC123DEF456', expires_at: '2025-01-15T10:31:00+00:00' },
  },
]

/** One public event of each type, as the documents show them. */
export const publicExamples: readonly PublicEvent[] = facts.map((fact, n) => {
  const causation = `0190d0a0-0000-7000-8000-0000000001${String(n).padStart(2, '0')}`
  return {
    ...fact,
    id: publicEventId(causation, 0),
    tenantId: TENANT,
    instanceId: INSTANCE,
    key: fact.type.startsWith('instance.') ? INSTANCE : conversationId(INSTANCE, CHAT),
    correlation: 'req-7f3a',
    causation,
  }
})
