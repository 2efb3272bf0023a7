import { isMedia, isSignal, textOf, type Content, type MediaMissing } from '../domain/content.ts'
import { detailsOf, type ContentDetails } from '../domain/content-details.ts'
import type { MessageStatus, WhatsAppMessage } from '../domain/message.ts'
import { idOfStream } from '../domain/decider.ts'
import { numberOf } from '../domain/values.ts'
import { projection, put, update, type RecordedOf } from './projection.ts'

export type MessageReaction = { by: string; name: string | null; from_me: boolean; emoji: string; at: string }

export type MessageRow = {
  id: string
  number: number
  tenant_id: string
  instance_id: string
  conversation_id: string
  whatsapp_id: string
  direction: 'incoming' | 'outgoing'
  sender_jid: string | null
  sender_name: string | null
  /** That of the content, or `awaited`. */
  kind: string
  body: string | null
  media_url: string | null
  /** The file in our own store. */
  media_id: string | null
  /** Bytes. */
  media_size: number | null
  /** Why the file that came with it is not here. */
  media_missing: MediaMissing | null
  mime_type: string | null
  filename: string | null
  /** What a place, contacts or a poll say beside their text. */
  details: ContentDetails
  reply_to: string | null
  mentions: string[]
  reactions: MessageReaction[]
  status: MessageStatus
  error: string | null
  /** It was said before the phone was paired. */
  imported: boolean
  /** Orders a conversation: what was imported comes first, by its times; what came since is in the order of numbers. */
  place: number
  edited_at: string | null
  deleted_at: string | null
  /** WhatsApp's time for what came in, the time of queueing for what goes out. */
  at: string
  updated_at: string
}

type Body = RecordedOf<'MessageQueued'> | RecordedOf<'MessageReceived'> | RecordedOf<'MessageSentFromPhone'>

/** The kind of a row that only keeps the reactions to a message that has not come itself; it is not shown. */
export const AWAITED = 'awaited'

/** The place of all that came since the pairing. */
export const SINCE = 0
/** Later than anybody wrote, in milliseconds since 1970. */
const NEVER_MS = 8.64e15 / 2
const placeOf = (importedAt: string | undefined, at: string) =>
  importedAt === undefined ? SINCE : Date.parse(at) - NEVER_MS

const awaitedRow = ({ stream, data, meta }: RecordedOf<'MessageReacted'>): MessageRow => ({
  id: idOfStream(stream),
  number: 0,
  tenant_id: meta.tenant,
  instance_id: data.instanceId,
  conversation_id: data.conversationId,
  whatsapp_id: data.targetWhatsappId,
  direction: 'incoming',
  sender_jid: null,
  sender_name: null,
  kind: AWAITED,
  body: null,
  media_url: null,
  media_id: null,
  media_size: null,
  media_missing: null,
  mime_type: null,
  filename: null,
  details: {},
  reply_to: null,
  mentions: [],
  reactions: [],
  status: 'received',
  error: null,
  imported: false,
  place: SINCE,
  edited_at: null,
  deleted_at: null,
  at: data.at,
  updated_at: meta.at,
})

const mediaOf = (content: Content) => {
  const media = isMedia(content) ? content : undefined
  return {
    media_url: media?.url ?? null,
    media_id: media?.mediaId ?? null,
    media_size: media?.size ?? null,
    media_missing: media?.mediaMissing ?? null,
    mime_type: media?.mimeType ?? null,
    filename: media?.filename ?? null,
  }
}

const firstRow = (
  { data, stream, meta, revision }: Body,
  direction: MessageRow['direction'],
  status: MessageStatus,
  from?: WhatsAppMessage,
) => {
  const { content } = data
  if (isSignal(content)) return []
  const id = idOfStream(stream)
  const row: MessageRow = {
    id,
    number: data.number,
    tenant_id: meta.tenant,
    instance_id: data.instanceId,
    conversation_id: data.conversationId,
    whatsapp_id: data.whatsappId,
    direction,
    sender_jid: from?.sender ?? null,
    sender_name: from?.senderName ?? null,
    kind: content.kind,
    body: textOf(content),
    ...mediaOf(content),
    details: detailsOf(content),
    reply_to: 'replyTo' in content ? (content.replyTo ?? null) : null,
    mentions: 'mentions' in content ? (content.mentions ?? []) : [],
    reactions: [],
    status,
    error: null,
    imported: from?.importedAt !== undefined,
    place: placeOf(from?.importedAt, data.at),
    edited_at: null,
    deleted_at: null,
    at: data.at,
    updated_at: meta.at,
  }
  if (revision === 0) return [put(id, row)]
  // Something came before the message itself: reactions.
  return [{ key: id, evolve: (awaited?: MessageRow) => ({ ...row, reactions: awaited?.reactions ?? [] }) }]
}

type Step = { readonly stream: string; readonly meta: { readonly at: string } }
const step = ({ stream, meta }: Step, change: Partial<MessageRow>) => [
  update<MessageRow>(idOfStream(stream), (row) => ({ ...row, ...change, updated_at: meta.at })),
]

const withReaction = (reactions: readonly MessageReaction[], reaction: MessageReaction) => {
  const others = reactions.filter(({ by }) => by !== reaction.by)
  return reaction.emoji === '' ? others : [...others, reaction]
}

/** What is left of a message that was taken back: that it was there. */
const nothingSaid = {
  body: null,
  media_url: null,
  media_id: null,
  media_size: null,
  media_missing: null,
  filename: null,
  details: {},
  mentions: [],
  reactions: [],
}

/** Every message, with its newest status and its reactions. */
export const messages = projection<MessageRow>({
  name: 'message',
  version: 7,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    conversation_id: 'uuid not null',
    whatsapp_id: 'text not null',
    direction: 'text not null',
    sender_jid: 'text',
    sender_name: 'text',
    kind: 'text not null',
    body: 'text',
    media_url: 'text',
    media_id: 'uuid',
    media_size: 'bigint',
    media_missing: 'text',
    mime_type: 'text',
    filename: 'text',
    details: 'jsonb not null',
    reply_to: 'text',
    mentions: 'jsonb not null',
    reactions: 'jsonb not null',
    status: 'text not null',
    error: 'text',
    imported: 'boolean not null',
    place: 'bigint not null',
    edited_at: 'timestamptz',
    deleted_at: 'timestamptz',
    at: 'timestamptz not null',
    updated_at: 'timestamptz not null',
  },
  // Whoever reads waits for what was written, and ends the rest.
  restMs: 50,
  // With the time beside the number, a span of it is walked through without reading the messages before it.
  indexes: ['(conversation_id, place, number, at)', '(conversation_id, at)', '(number)', '(whatsapp_id)'],
  on: {
    MessageQueued: (event) => firstRow(event, 'outgoing', 'queued'),
    MessageReceived: (event) => firstRow(event, 'incoming', 'received', event.data),
    MessageSentFromPhone: (event) => firstRow(event, 'outgoing', 'sent', event.data),
    MessageSent: (event) => step(event, { status: 'sent', error: null }),
    MessageDelivered: (event) => step(event, { status: 'delivered' }),
    MessageRead: (event) => step(event, { status: 'read' }),
    MessagePlayed: (event) => step(event, { status: 'played' }),
    MessageFailed: (event) => step(event, { status: 'failed', error: event.data.reason }),
    MessageReacted: (event) => {
      const { stream, data, meta } = event
      const reaction = {
        by: numberOf(data.by),
        name: data.byName ?? null,
        from_me: data.fromMe,
        emoji: data.emoji,
        at: data.at,
      }
      const evolve = (row: MessageRow = awaitedRow(event)): MessageRow => ({
        ...row,
        reactions: withReaction(row.reactions, reaction),
        updated_at: meta.at,
      })
      return [{ key: idOfStream(stream), evolve }]
    },
    MessageEdited: (event) => step(event, { body: event.data.text, edited_at: event.data.at }),
    MessageDeleted: (event) => step(event, { ...nothingSaid, deleted_at: event.data.at }),
  },
  sweeps: {
    ConversationDeleted: ({ stream }) => ({ column: 'conversation_id', value: idOfStream(stream) }),
    ConversationMerged: ({ stream, data }) => ({
      column: 'conversation_id',
      value: idOfStream(stream),
      to: data.into,
    }),
  },
})

/** Whether a row is a message, and not only a place for reactions to one that has not come. */
export const isShown = ({ kind }: MessageRow) => kind !== AWAITED
