import { randomUUID } from 'node:crypto'
import type { PublicEvent, PublicType } from '../../src/domain/public-events.ts'
import { AT, INSTANCE, TENANT } from './facts.ts'

const CONVERSATION = '0190d0a0-0000-7000-8000-00000000000c'
const MESSAGE = '055f01b2-da7b-476b-9a5d-dcecb3fe510c'
const of = { tenantId: TENANT, instanceId: INSTANCE, correlation: 'a request, “quoted”', causation: MESSAGE }
const fresh = (key: string) => ({ ...of, id: randomUUID(), key, at: AT })

const message = {
  message_id: MESSAGE,
  whatsapp_message_id: '3EB0ABC123456789',
  media_type: null,
  media_url: null,
  timestamp: AT,
  conversation_id: 123,
  chat_id: '5511999999999@s.whatsapp.net',
  is_group: false,
  reply_to: null,
}
const changed = {
  message_id: MESSAGE,
  whatsapp_message_id: '3EB0ABC123456789',
  from_me: false,
  timestamp: AT,
  conversation_id: 123,
}

/** A message that came in. */
export const received = (key: string, content: string): PublicEvent => ({
  ...fresh(key),
  type: 'message.received',
  data: { ...message, content, sender_number: '5511999999999', sender_name: 'José “Zé” 👋' },
})

/** One public event of every type. */
export const everyPublicEvent = (): { readonly [T in PublicType]: PublicEvent & { readonly type: T } } => ({
  'message.received': {
    ...fresh(CONVERSATION),
    type: 'message.received',
    // What JSON has to write in another way, and half of a character, as WhatsApp may cut them.
    data: {
      ...message,
      content: 'olá\n"\\/\u0000\u2028 👩‍👩‍👧 \ud83d </script>',
      sender_number: '551',
      sender_name: null,
    },
  },
  'message.sent': {
    ...fresh(CONVERSATION),
    type: 'message.sent',
    data: { ...message, content: '', recipient_number: '5511999999999', source: 'api' },
  },
  'message.status': {
    ...fresh(CONVERSATION),
    type: 'message.status',
    data: {
      message_id: MESSAGE,
      whatsapp_message_id: '3EB0ABC123456789',
      previous_status: 'queued',
      new_status: 'failed',
      recipient_number: '5511999999999',
      timestamp: AT,
      conversation_id: 123,
      error: 'not on WhatsApp',
    },
  },
  'message.reaction': {
    ...fresh(CONVERSATION),
    type: 'message.reaction',
    data: { ...changed, sender_number: '5511999999999', sender_name: 'José', emoji: '👍🏽' },
  },
  'message.edited': {
    ...fresh(CONVERSATION),
    type: 'message.edited',
    data: { ...changed, content: 'better' },
  },
  'message.deleted': { ...fresh(CONVERSATION), type: 'message.deleted', data: changed },
  'contact.update': {
    ...fresh(MESSAGE),
    type: 'contact.update',
    data: {
      contact_id: 7,
      contact_uuid: MESSAGE,
      phone_number: '5511999999999',
      name: null,
      push_name: 'José',
      display_name: 'José',
      email: null,
      company: null,
      deleted: false,
      timestamp: AT,
    },
  },
  'instance.connected': {
    ...fresh(INSTANCE),
    type: 'instance.connected',
    data: { previous_status: 'qr_ready', new_status: 'connected', phone_number: '5511999999999' },
  },
  'instance.disconnected': {
    ...fresh(INSTANCE),
    type: 'instance.disconnected',
    data: {
      previous_status: 'connected',
      new_status: 'disconnected',
      phone_number: null,
      reason: 'logged out',
    },
  },
  'instance.qr': {
    ...fresh(INSTANCE),
    type: 'instance.qr',
    data: { qr_code_text: '2@abc', expires_at: null },
  },
})
