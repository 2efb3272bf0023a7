import { Type, type Static } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { notFound } from './errors.ts'
import { extensionOf, mediaRules, mediaTypes } from './media-rules.ts'
import { literals, PersonalText, Time, Uuid } from './values.ts'

export const deletionReasons = [
  'requested',
  'expired',
  'conversation_deleted',
  'message_deleted',
  'replaced',
] as const
export type DeletionReason = (typeof deletionReasons)[number]

const Belongs = {
  instanceId: Type.Optional(Uuid),
  /** For the file of a message: it goes with its message and its conversation. */
  conversationId: Type.Optional(Uuid),
  messageId: Type.Optional(Uuid),
}
const Stored = Type.Object({
  type: literals(mediaTypes),
  mimeType: Type.String({ minLength: 1 }),
  /** Bytes. */
  size: Type.Integer({ minimum: 1 }),
  filename: Type.Optional(PersonalText),
  /** Of the content, hex: tells whether somebody had a known file. */
  sha256: PersonalText,
  /** The part of its public address that nobody can guess. */
  key: Type.String({ minLength: 20 }),
  ...Belongs,
  expiresAt: Type.Optional(Time),
  at: Time,
})
export type StoredMedia = Static<typeof Stored>

/** Where anybody who knows it can read a file, at a server that is reached at `base`. Its ending is for people. */
export const fileUrl = (base: string, { key, mimeType }: Pick<StoredMedia, 'key' | 'mimeType'>) => {
  const extension = extensionOf(mediaRules, mimeType)
  return `${base.replace(/\/+$/, '')}/files/${key}${extension === undefined ? '' : `.${extension}`}`
}

export const mediaEvents = {
  /** The file itself is in the media store, under the id of this stream. */
  MediaStored: eventSchema(Stored),
  /** Whose it was is missing in what was stored before it was asked for. */
  MediaDeleted: eventSchema(Type.Object({ reason: literals(deletionReasons), ...Belongs, at: Time })),
}
export type MediaEvent = EventOf<typeof mediaEvents>

export type Media = { readonly file?: StoredMedia; readonly deleted: boolean }

/** A file that was uploaded, or that came or went with a message. */
export const Media: Decider<Media, MediaEvent> = {
  category: 'media',
  events: mediaEvents,
  initial: { deleted: false },
  evolve: (_state, event) => {
    switch (event.type) {
      case 'MediaStored':
        return { file: event.data, deleted: false }
      case 'MediaDeleted':
        return { deleted: true }
    }
  },
}

type Decision = Decide<Media, MediaEvent>

/** One that was stored under this id before stays as it is, and one that was deleted stays away. */
export const store =
  (file: StoredMedia): Decision =>
  (state) =>
    state.file || state.deleted ? [] : [{ type: 'MediaStored', data: file }]

const deletion = (
  { instanceId, conversationId, messageId }: StoredMedia,
  reason: DeletionReason,
  at: string,
): MediaEvent => ({
  type: 'MediaDeleted',
  data: {
    reason,
    ...(instanceId !== undefined && { instanceId }),
    ...(conversationId !== undefined && { conversationId }),
    ...(messageId !== undefined && { messageId }),
    at,
  },
})

export const remove =
  (at: string): Decision =>
  ({ file }) => {
    if (!file) throw notFound('Media')
    return [deletion(file, 'requested', at)]
  }

/** Takes it away, if it is still there. */
export const discard =
  (reason: DeletionReason, at: string): Decision =>
  ({ file }) =>
    file ? [deletion(file, reason, at)] : []
