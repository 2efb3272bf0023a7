import { isDeepStrictEqual } from 'node:util'
import { Type } from 'typebox'
import { Content, isSignal, signalKinds } from './content.ts'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { Refusal } from './errors.ts'
import { ERASED, literals, PersonalText, SerialNumber, Time, Uuid } from './values.ts'

// --- Words ---------------------------------------------------------------------------------------

/** In the order in which an outgoing message goes through them. */
export const receiptStatuses = ['sent', 'delivered', 'read', 'played'] as const
export const messageStatuses = ['queued', ...receiptStatuses, 'failed', 'received'] as const
export type ReceiptStatus = (typeof receiptStatuses)[number]
export type MessageStatus = (typeof messageStatuses)[number]

// --- Events --------------------------------------------------------------------------------------

const Place = { instanceId: Uuid, conversationId: Uuid }
const Body = {
  ...Place,
  number: SerialNumber,
  conversationNumber: SerialNumber,
  whatsappId: Type.String({ minLength: 1 }),
  chat: PersonalText,
  content: Content,
  /** For what came from WhatsApp its own time, not that of arrival. */
  at: Time,
}
const FromWhatsApp = {
  ...Body,
  chatName: Type.Optional(PersonalText),
  sender: PersonalText,
  senderName: Type.Optional(PersonalText),
  /** If it was said before the phone was paired. */
  importedAt: Type.Optional(Time),
}
/** Set where it is not a message that people see, so that nobody counts it as one. */
const SignalMark = { signal: Type.Optional(literals(signalKinds)) }
/** Set where it happened before the message was imported, so that nobody is told of it as news. */
const PastMark = { past: Type.Optional(Type.Literal(true)) }
const Step = Type.Object({ ...Place, ...SignalMark, ...PastMark, at: Time })
const Change = { ...Place, ...PastMark, number: SerialNumber, fromMe: Type.Boolean(), at: Time }

export const messageEvents = {
  MessageQueued: eventSchema(Type.Object(Body)),
  MessageReceived: eventSchema(Type.Object(FromWhatsApp)),
  /** Typed on the phone itself, or on another device of the account. */
  MessageSentFromPhone: eventSchema(Type.Object(FromWhatsApp)),
  MessageSent: eventSchema(Type.Object({ ...Place, at: Time, kind: Type.String() })),
  MessageDelivered: eventSchema(Step),
  MessageRead: eventSchema(Step),
  MessagePlayed: eventSchema(Step),
  MessageFailed: eventSchema(Type.Object({ ...Place, ...SignalMark, at: Time, reason: Type.String() })),
  /** On the stream of the message reacted to. An empty emoji takes the reaction back. */
  MessageReacted: eventSchema(
    Type.Object({
      ...Place,
      conversationNumber: SerialNumber,
      targetWhatsappId: Type.String(),
      by: PersonalText,
      byName: Type.Optional(PersonalText),
      fromMe: Type.Boolean(),
      emoji: PersonalText,
      ...PastMark,
      at: Time,
    }),
  ),
  /** On the stream of the message that was changed, as are deletions. */
  MessageEdited: eventSchema(Type.Object({ ...Change, text: PersonalText })),
  MessageDeleted: eventSchema(Type.Object(Change)),
}
export type MessageEvent = EventOf<typeof messageEvents>
type DataOf<T extends MessageEvent['type']> = Extract<MessageEvent, { type: T }>['data']
export type QueuedMessage = DataOf<'MessageQueued'>
export type WhatsAppMessage = DataOf<'MessageReceived'>
export type MessageBody = QueuedMessage | WhatsAppMessage
export type Reaction = DataOf<'MessageReacted'>

// --- State ---------------------------------------------------------------------------------------

export type Message = {
  /** Unknown until the message itself is on the stream; reactions may come before it. */
  readonly body?: MessageBody
  readonly direction?: 'incoming' | 'outgoing'
  readonly status?: MessageStatus
  readonly reason?: string
  /** What the text is now, if it was edited. */
  readonly text?: string
  readonly deleted?: true
  /** Emoji by the JID of who reacted. */
  readonly reactions: Readonly<Record<string, string>>
}

export const Message: Decider<Message, MessageEvent> = {
  category: 'message',
  events: messageEvents,
  initial: { reactions: {} },
  evolve: (state, event) => {
    switch (event.type) {
      case 'MessageQueued':
        return { ...state, body: event.data, direction: 'outgoing', status: 'queued' }
      case 'MessageReceived':
        return { ...state, body: event.data, direction: 'incoming', status: 'received' }
      case 'MessageSentFromPhone':
        return { ...state, body: event.data, direction: 'outgoing', status: 'sent' }
      case 'MessageSent':
        return { ...state, status: 'sent' }
      case 'MessageDelivered':
        return { ...state, status: 'delivered' }
      case 'MessageRead':
        return { ...state, status: 'read' }
      case 'MessagePlayed':
        return { ...state, status: 'played' }
      case 'MessageFailed':
        return { ...state, status: 'failed', reason: event.data.reason }
      case 'MessageReacted':
        return { ...state, reactions: { ...state.reactions, [event.data.by]: event.data.emoji } }
      case 'MessageEdited':
        return { ...state, text: event.data.text }
      case 'MessageDeleted':
        return { ...state, deleted: true }
    }
  },
}

// --- Decisions -----------------------------------------------------------------------------------

export type MessageDecision = Decide<Message, MessageEvent>
type Decision = MessageDecision

/** Nobody can say any more what it was; it stays known by its ids. */
export const isErased = ({ body }: Message) => body?.chat === ERASED

/** Refuses if something else was queued under the id of a message. What was erased is taken for the same. */
export const mustBeFreeFor = (
  { chat, content }: Pick<QueuedMessage, 'chat' | 'content'>,
  message: Message,
) => {
  const { body } = message
  if (!body || isErased(message) || (body.chat === chat && isDeepStrictEqual(body.content, content))) return
  throw new Refusal(
    'IDEMPOTENCY_KEY_REUSED',
    'This Idempotency-Key was already used for another message. Use a new key for a new message.',
  )
}

/** Takes a message for sending. The same one again is a non-event; another one under its id is refused. */
export const queue =
  (message: QueuedMessage): Decision =>
  (state) => {
    mustBeFreeFor(message, state)
    return state.body ? [] : [{ type: 'MessageQueued', data: message }]
  }

export const receive =
  (message: WhatsAppMessage, fromMe: boolean): Decision =>
  ({ body }) =>
    body ? [] : [{ type: fromMe ? 'MessageSentFromPhone' : 'MessageReceived', data: message }]

/** Marks what happened to a message before it was imported. */
export const pastMark = (body: MessageBody | undefined, at: string) =>
  body && 'importedAt' in body && body.importedAt !== undefined && at < body.importedAt
    ? { past: true as const }
    : {}

const placeOf = ({ instanceId, conversationId }: MessageBody, at: string) => ({
  instanceId,
  conversationId,
  at,
})

const stepOf = (body: MessageBody, at: string) => ({
  ...placeOf(body, at),
  ...pastMark(body, at),
  ...(isSignal(body.content) && { signal: body.content.kind }),
})

const sentEvent = (body: MessageBody, at: string): MessageEvent => ({
  type: 'MessageSent',
  data: { ...placeOf(body, at), kind: body.content.kind },
})

/** WhatsApp took the message. */
export const accept =
  (at: string): Decision =>
  ({ body, status }) =>
    body && status === 'queued' ? [sentEvent(body, at)] : []

export const fail =
  (reason: string, at: string): Decision =>
  ({ body, status }) =>
    body && status === 'queued' ? [{ type: 'MessageFailed', data: { ...stepOf(body, at), reason } }] : []

const receiptEvent = (status: ReceiptStatus, body: MessageBody, at: string): MessageEvent => {
  const data = stepOf(body, at)
  switch (status) {
    case 'sent':
      return sentEvent(body, at)
    case 'delivered':
      return { type: 'MessageDelivered', data }
    case 'read':
      return { type: 'MessageRead', data }
    case 'played':
      return { type: 'MessagePlayed', data }
  }
}

const rankOf = (status: MessageStatus | undefined) => receiptStatuses.findIndex((known) => known === status)

/**
 * A receipt moves an outgoing message forward, never back. One that overtakes the record of the send says that the
 * message was sent too, so that everybody sees `sent` first. A signal is sent once it is recorded what it did.
 */
export const acknowledge =
  (status: ReceiptStatus, at: string): Decision =>
  ({ body, direction, status: present }) => {
    if (!body || direction !== 'outgoing' || rankOf(status) <= rankOf(present)) return []
    if (present === 'queued' && isSignal(body.content)) return []
    const steps: ReceiptStatus[] = rankOf(present) < 0 && status !== 'sent' ? ['sent', status] : [status]
    return steps.map((step) => receiptEvent(step, body, at))
  }

export const react =
  (reaction: Reaction): Decision =>
  ({ body, reactions }) =>
    (reactions[reaction.by] ?? '') === reaction.emoji
      ? []
      : [{ type: 'MessageReacted', data: { ...reaction, ...pastMark(body, reaction.at) } }]

/** JID of the author of a message, as far as the log knows it: `own` is that of the instance's phone. */
export const authorOf = ({ body, direction }: Message, own: string): string | undefined => {
  if (!body) return undefined
  return direction === 'outgoing' || !('sender' in body) ? own : body.sender
}
