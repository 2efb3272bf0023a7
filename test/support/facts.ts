import type { ZapiniEvent } from '../../src/domain/catalogue.ts'
import { conversationId, messageId, newId } from '../../src/domain/ids.ts'
import type { QueuedMessage, WhatsAppMessage } from '../../src/domain/message.ts'
import type { Context, Metadata } from '../../src/domain/metadata.ts'
import type { NewEvent } from '../../src/ports/event-store.ts'

export const TENANT = '0190d0a0-0000-7000-8000-000000000001'
export const INSTANCE = '550e8400-e29b-41d4-a716-446655440000'
export const JOHN = '5511999999999@s.whatsapp.net'
export const MARY = '5511888888888@s.whatsapp.net'
export const TEAM = '120363001234567890@g.us'
export const AT = '2025-01-15T10:30:00.000Z'

export const context: Context = { tenant: TENANT, actor: { kind: 'gateway' }, correlation: 'test' }
export const meta: Metadata = { ...context, version: 1, at: AT }

/** A time `n` seconds after AT. */
export const later = (seconds: number) => new Date(Date.parse(AT) + seconds * 1000).toISOString()

export const placeIn = (chat: string) => ({
  instanceId: INSTANCE,
  conversationId: conversationId(INSTANCE, chat),
})

/** A text on its way to somebody; its WhatsApp id is its text. */
export const outgoing = (text = 'hello', change: Partial<QueuedMessage> = {}): QueuedMessage => ({
  ...placeIn(change.chat ?? JOHN),
  number: 1,
  conversationNumber: 1,
  whatsappId: text,
  chat: JOHN,
  content: { kind: 'text', text },
  at: AT,
  ...change,
})

export const incoming = (text = 'hello', change: Partial<WhatsAppMessage> = {}): WhatsAppMessage => ({
  ...outgoing(text, change),
  sender: JOHN,
  senderName: 'John Doe',
  ...change,
})

export const messageStream = (whatsappId: string) => `message-${messageId(INSTANCE, whatsappId)}`

/** An event as it is given to a store. */
export const toAppend = (event: ZapiniEvent, change: Partial<Metadata> = {}): NewEvent => ({
  ...event,
  id: newId(),
  meta: { ...meta, ...change },
})
