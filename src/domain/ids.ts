import { createHash, hash, randomBytes, randomUUID } from 'node:crypto'

/** Namespace of every derived id of this program (a random constant; never changed, or all derived ids would change). */
const NAMESPACE = Buffer.from('6f0e4d536d8b5c6e9d0c2b1f0a7c9e41', 'hex')

/** UUID version 5 (RFC 9562) of the parts. Made several times for each message, so by hand rather than by a library. */
const derived = (...parts: string[]): string => {
  const hex = hash('sha1', Buffer.concat([NAMESPACE, Buffer.from(parts.join('\n'))]), 'hex')
  const variant = ((parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `5${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}

export const newId = (): string => randomUUID()

/** The same WhatsApp message always lands on the same stream, so a redelivery or a receipt needs no lookup. */
export const messageId = (instanceId: string, whatsappId: string) =>
  derived('message', instanceId, whatsappId)
/** A message under a WhatsApp id that somebody else's message has already. */
export const namesakeId = (instanceId: string, whatsappId: string, chat: string, sender: string) =>
  derived('message', instanceId, whatsappId, chat, sender)
export const conversationId = (instanceId: string, chat: string) => derived('conversation', instanceId, chat)
/** One contact for each person that an instance knows. */
export const contactId = (instanceId: string, jid: string) => derived('contact', instanceId, jid)
/** One of the JIDs that a person may be reached by. */
export const addressId = (instanceId: string, jid: string) => derived('address', instanceId, jid)
/** What was done to a group through one instance. */
export const groupId = (instanceId: string, chat: string) => derived('group', instanceId, chat)
/** The file of a message, so that it is fetched and kept once. */
export const messageMediaId = (message: string, url: string) => derived('media', message, url)
/** The file of a message that came in, so that it is kept once, and nobody else's in its place. */
export const incomingMediaId = (message: string, chat: string, sender: string) =>
  derived('media', message, chat, sender)
/** One account per address, whatever its letter case. */
export const userId = (email: string) => derived('user', email.trim().toLowerCase())
/** The tenant that a new deployment starts with. */
export const firstTenantId = derived('tenant', 'first')
/** The endpoint that `PUT /instances/{id}/webhook` sets. */
export const defaultWebhookId = (instanceId: string) => derived('webhook', instanceId)
/** The run of an automation that a message set off. */
export const runId = (automationId: string, messageId: string) => derived('run', automationId, messageId)
/** Id of the nth public event made from a stored one. */
export const publicEventId = (eventId: string, n: number) => derived('public', eventId, String(n))
/** The import of the export that ends with a checksum. */
export const importId = (checksum: string) => derived('import', checksum)
/** The lane of what is delivered again to an endpoint about something: what is new about it does not wait behind. */
export const redeliveryLane = (key: string) => derived('redelivery', key)

const WHATSAPP_ID_HEX = 18
/** WhatsApp id of an outgoing message, ours to choose. With an idempotency key it is always the same one. */
export const outgoingWhatsappId = (instanceId: string, idempotencyKey?: string) => {
  const hex = idempotencyKey
    ? createHash('sha256').update(`${instanceId}\n${idempotencyKey}`).digest('hex')
    : randomBytes(WHATSAPP_ID_HEX / 2).toString('hex')
  return `3EB0${hex.slice(0, WHATSAPP_ID_HEX).toUpperCase()}`
}
