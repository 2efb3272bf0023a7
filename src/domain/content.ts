import { Type, type Static } from 'typebox'
import { literals, PersonalText, Uuid } from './values.ts'

export const mediaKinds = ['image', 'video', 'audio', 'document', 'sticker'] as const

/** Why a file that WhatsApp told of is not here. */
export const mediaMissingReasons = [
  /** WhatsApp has it no more, and neither has the phone that sent it, or that phone is off. */
  'expired',
  /** What came is not the file that was sent. */
  'damaged',
  'too_large',
  /** It did not come in time, or is nowhere that files are fetched from. */
  'unavailable',
  /** It is older than the pairing: those files are not fetched. */
  'past',
] as const
export type MediaMissing = (typeof mediaMissingReasons)[number]

const Quoting = {
  replyTo: Type.Optional(Type.String()),
  mentions: Type.Optional(Type.Array(PersonalText)),
}
const TextContent = Type.Object({ kind: Type.Literal('text'), text: PersonalText, ...Quoting })
const MediaContent = Type.Object({
  kind: literals(mediaKinds),
  url: Type.Optional(PersonalText),
  /** The file in our own store. */
  mediaId: Type.Optional(Uuid),
  /** Bytes. */
  size: Type.Optional(Type.Integer({ minimum: 0 })),
  mimeType: Type.Optional(Type.String()),
  filename: Type.Optional(PersonalText),
  caption: Type.Optional(PersonalText),
  mediaMissing: Type.Optional(literals(mediaMissingReasons)),
  ...Quoting,
})
const ReactionContent = Type.Object({
  kind: Type.Literal('reaction'),
  targetWhatsappId: Type.String(),
  emoji: PersonalText,
})
const EditContent = Type.Object({
  kind: Type.Literal('edit'),
  targetWhatsappId: Type.String(),
  text: PersonalText,
})
const DeleteContent = Type.Object({ kind: Type.Literal('delete'), targetWhatsappId: Type.String() })
const LocationContent = Type.Object({
  kind: Type.Literal('location'),
  /** Degrees. */
  latitude: Type.Number({ minimum: -90, maximum: 90, personal: true }),
  longitude: Type.Number({ minimum: -180, maximum: 180, personal: true }),
  name: Type.Optional(PersonalText),
  address: Type.Optional(PersonalText),
  replyTo: Quoting.replyTo,
})
const ContactContent = Type.Object({
  kind: Type.Literal('contact'),
  contacts: Type.Array(Type.Object({ displayName: PersonalText, vcard: PersonalText }), { minItems: 1 }),
  replyTo: Quoting.replyTo,
})
const PollContent = Type.Object({
  kind: Type.Literal('poll'),
  question: PersonalText,
  options: Type.Array(PersonalText),
  /** How many options each may choose; 0: any number. */
  selectable: Type.Integer({ minimum: 0 }),
  replyTo: Quoting.replyTo,
})
/** Something that WhatsApp sent and we have no words for yet; kept, so that it is not lost. */
const OtherContent = Type.Object({ kind: Type.Literal('other'), description: Type.String() })

export const Content = Type.Union([
  TextContent,
  MediaContent,
  LocationContent,
  ContactContent,
  PollContent,
  ReactionContent,
  EditContent,
  DeleteContent,
  OtherContent,
])
export type Content = Static<typeof Content>
export type MediaMessage = Static<typeof MediaContent>

export const signalKinds = ['reaction', 'edit', 'delete'] as const
export type Signal = Extract<Content, { kind: (typeof signalKinds)[number] }>
/** Goes out like a message, but is about another one and is not shown as one. */
export const isSignalKind = (kind: string) => signalKinds.some((signal) => signal === kind)
export const isSignal = (content: Content): content is Signal => isSignalKind(content.kind)

export const isMedia = (content: Content): content is MediaMessage =>
  mediaKinds.some((kind) => kind === content.kind)

/** The text that people read: a message's own, a caption, what a place or a person is called, or nothing. */
export const textOf = (content: Content): string | null => {
  switch (content.kind) {
    case 'text':
      return content.text
    case 'edit':
      return content.text
    case 'reaction':
      return content.emoji
    case 'location':
      return [content.name, content.address].filter(Boolean).join('\n') || null
    case 'contact':
      return content.contacts.map(({ displayName }) => displayName).join(', ')
    case 'poll':
      return content.question
    case 'delete':
    case 'other':
      return null
    case 'image':
    case 'video':
    case 'audio':
    case 'document':
    case 'sticker':
      return content.caption ?? null
  }
}
