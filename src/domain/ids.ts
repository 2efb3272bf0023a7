import { createHash, randomBytes } from 'node:crypto'
import { v5, v7 } from 'uuid'

/** Namespace of every derived id of this program (a random constant; never changed, or all derived ids would change). */
const NAMESPACE = '6f0e4d53-6d8b-5c6e-9d0c-2b1f0a7c9e41'
const derived = (...parts: string[]) => v5(parts.join('\n'), NAMESPACE)

/** A new id, ordered by time. */
export const newId = (): string => v7()

/** The same WhatsApp message always lands on the same stream, so a redelivery or a receipt needs no lookup. */
export const messageId = (instanceId: string, whatsappId: string) =>
  derived('message', instanceId, whatsappId)
export const conversationId = (instanceId: string, chat: string) => derived('conversation', instanceId, chat)
/** One account per address, whatever its letter case. */
export const userId = (email: string) => derived('user', email.trim().toLowerCase())
/** The tenant that a new deployment starts with. */
export const firstTenantId = derived('tenant', 'first')
/** The endpoint that `PUT /instances/{id}/webhook` sets. */
export const defaultWebhookId = (instanceId: string) => derived('webhook', instanceId)
/** Id of the nth public event made from a stored one. */
export const publicEventId = (eventId: string, n: number) => derived('public', eventId, String(n))

const WHATSAPP_ID_HEX = 18
/** WhatsApp id of an outgoing message, ours to choose. With an idempotency key it is always the same one. */
export const outgoingWhatsappId = (instanceId: string, idempotencyKey?: string) => {
  const hex = idempotencyKey
    ? createHash('sha256').update(`${instanceId}\n${idempotencyKey}`).digest('hex')
    : randomBytes(WHATSAPP_ID_HEX / 2).toString('hex')
  return `3EB0${hex.slice(0, WHATSAPP_ID_HEX).toUpperCase()}`
}
