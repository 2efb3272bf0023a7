import type { Json } from '../support/client.ts'
import type { Rules } from './compare.ts'

/** A webhook as the document shows it. */
export type Payload = Rules & {
  readonly event: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Json
  readonly note?: string
}

const INSTANCE = '550e8400-e29b-41d4-a716-446655440000'
const headersOf = (event: string) => ({
  'content-type': 'application/json',
  'x-webhook-signature': 'a1b2c3d4e5f6...',
  'x-webhook-event': event,
  'x-instance-uuid': INSTANCE,
  'user-agent': 'Zapini-Webhook/1.0',
})
const shown = (event: string, timestamp: string, data: Json) => ({
  event,
  headers: headersOf(event),
  payload: { event, instance_uuid: INSTANCE, timestamp, data },
})

/** The document's examples, in the order in which the test makes them happen. */
export const payloads: readonly Payload[] = [
  shown('instance.connected', '2025-01-15T10:00:00+00:00', {
    previous_status: 'qr_ready',
    new_status: 'connected',
    phone_number: '5511999999999',
  }),
  {
    ...shown('message.received', '2025-01-15T10:30:00+00:00', {
      message_id: '055f01b2-da7b-476b-9a5d-dcecb3fe510c',
      whatsapp_message_id: '3EB0ABC123456789',
      sender_number: '5511999999999',
      sender_name: 'John Doe',
      content: 'Hello, I need help!',
      media_type: null,
      media_url: null,
      timestamp: '2025-01-15T10:30:00+00:00',
      conversation_id: 123,
    }),
    varies: ['conversation_id'],
  },
  {
    ...shown('message.sent', '2025-01-15T10:31:00+00:00', {
      message_id: 'f4a2e8c9-7b3d-4e5f-8a1c-2d9e6f0a3b7c',
      whatsapp_message_id: '3EB0ABC123456789',
      recipient_number: '5511888888888',
      content: 'Thanks for contacting us!',
      media_type: null,
      media_url: null,
      timestamp: '2025-01-15T10:31:00+00:00',
      conversation_id: 123,
    }),
    varies: ['conversation_id'],
  },
  shown('message.status', '2025-01-15T10:32:00+00:00', {
    message_id: 'f4a2e8c9-7b3d-4e5f-8a1c-2d9e6f0a3b7c',
    whatsapp_message_id: '3EB0ABC123456789',
    previous_status: 'sent',
    new_status: 'delivered',
    recipient_number: '5511888888888',
    timestamp: '2025-01-15T10:32:00+00:00',
  }),
]
