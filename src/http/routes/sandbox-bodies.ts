import { Type, type Static } from 'typebox'
import { isMedia, isSignal, mediaKinds, textOf, type Content, type Signal } from '../../domain/content.ts'
import { contentDetails, detailsOf } from '../../domain/content-details.ts'
import { invalid } from '../../domain/errors.ts'
import { receiptStatuses } from '../../domain/message.ts'
import { isGroup, literals, numberOf, Time, toJid } from '../../domain/values.ts'
import { presences } from '../../ports/gateway.ts'
import {
  failureOutcomes,
  type SandboxChange,
  type SandboxContact,
  type SandboxIncoming,
  type SandboxMessage,
  type SandboxReaction,
  type SandboxSign,
  type SandboxWritten,
} from '../../ports/sandbox.ts'
import {
  contactContent,
  ContactFields,
  locationContent,
  LocationFields,
  pollContent,
  PollFields,
} from '../content-bodies.ts'
import { Nullable } from '../format.ts'
import { timeOf } from '../times.ts'

const optionalText = (maxLength: number, description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength, description }))
const Address = (description: string) => Type.String({ minLength: 1, maxLength: 100, description })
const MessageId = (description: string) => Type.String({ minLength: 1, maxLength: 128, description })
const At = Type.Optional(
  Type.String({ format: 'date-time', description: 'WhatsApp’s time; now if left out' }),
)

export const ScanBody = Type.Object({
  phone_number: Type.Optional(
    Address('Number of the simulated phone; one made from the instance’s id if left out'),
  ),
  name: optionalText(100, 'Profile name of the simulated phone'),
})

const written = {
  from: Address('Number or JID of the author; with `from_me` the person in whose chat it is written'),
  name: optionalText(100, 'Name that the author goes by'),
  group: Type.Optional(
    Type.Union(
      [
        Address('Digits or JID of the group, or its name'),
        Type.Object({ id: Type.Optional(Address('Digits or JID')), name: optionalText(100, 'Its name') }),
      ],
      {
        description:
          'The group it is written in. The same name is always the same group. The instance is in it from then on; who writes first has made it.',
      },
    ),
  ),
  from_me: Type.Optional(Type.Boolean({ description: 'Written on the phone itself, not by the other side' })),
  at: At,
}

export const IncomingBody = Type.Object({
  ...written,
  text: optionalText(65_536, 'Text of the message; with media its caption'),
  media_type: Type.Optional(literals(mediaKinds)),
  media_url: optionalText(2048, 'Where the media is'),
  mime_type: optionalText(100, 'Type of the media, such as image/jpeg'),
  caption: optionalText(65_536, 'Text below the media'),
  filename: optionalText(255, 'Name of a document'),
  location: Type.Optional(Type.Object(LocationFields, { description: 'A place, instead of text' })),
  contacts: Type.Optional({ ...ContactFields.contacts, description: 'Contacts, instead of text' }),
  poll: Type.Optional(Type.Object(PollFields, { description: 'A poll, instead of text' })),
  mentions: Type.Optional(
    Type.Array(Address('Number or JID'), { maxItems: 1024, description: 'People named in the text' }),
  ),
  reply_to: Type.Optional(MessageId('WhatsApp id of the message that it answers')),
  message_id: Type.Optional(MessageId('WhatsApp id of the message; the same one again is a redelivery')),
})

export const ReceiptBody = Type.Object({
  message_id: MessageId('WhatsApp id of a message in the outbox'),
  status: literals(receiptStatuses),
  at: At,
})

export const ReactionBody = Type.Object({
  ...written,
  message_id: MessageId('WhatsApp id of the message reacted to'),
  emoji: Type.String({ maxLength: 32, description: 'Empty: takes the reaction back' }),
})

const change = {
  message_id: MessageId('WhatsApp id of the message'),
  from_me: Type.Optional(Type.Boolean({ description: 'The message was sent by the instance' })),
  at: At,
}
export const DeletionBody = Type.Object(change)
export const EditBody = Type.Object({
  ...change,
  text: Type.String({ minLength: 1, maxLength: 65_536, description: 'The text from now on' }),
})

export const ContactBody = Type.Object({
  of: Address('Number or JID of the person, or JID of a group, of which only the picture counts'),
  name: optionalText(100, 'Name that they give themselves'),
  address_book_name: optionalText(100, 'Name in the address book of the phone'),
  picture_url: Type.Optional(
    Type.Union([Type.String({ minLength: 1, maxLength: 2048 }), Type.Null()], {
      description: 'Where their picture is; null: they show none any more',
    }),
  ),
})

export const SignView = Type.Object({
  kind: literals(['read', 'presence']),
  to: Type.String({ description: 'Number of the person, or JID of the group' }),
  message_id: Type.Union([Type.String(), Type.Null()], {
    description: 'Of a read receipt, the WhatsApp id of the message',
  }),
  presence: Type.Union([literals(presences), Type.Null()]),
  at: Time,
})

export const FailureBody = Type.Object({
  on: Type.Optional(literals(['send'])),
  outcome: literals(failureOutcomes, {
    description:
      'refuse: refused for good. lost_ack: it arrives, but nothing is answered. unavailable: WhatsApp is not there. ' +
      'slow: it arrives, the answer is late. disconnect: the connection drops.',
  }),
  times: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 10_000, default: 1, description: 'How many sends end like this' }),
  ),
  reason: optionalText(200, 'What WhatsApp says'),
  delay_ms: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 30_000, description: 'With slow: how late, in milliseconds' }),
  ),
})

export const OutboxMessage = Type.Object({
  message_id: Type.String({ description: 'WhatsApp id' }),
  to: Type.String({ description: 'Number of the person, or JID of the group' }),
  kind: Type.String({
    description:
      'text, image, video, audio, document, sticker, location, contact, poll, reaction, edit or delete',
  }),
  text: Type.Union([Type.String(), Type.Null()], { description: 'Of a reaction, the emoji' }),
  caption: Nullable,
  filename: Nullable,
  media_url: Nullable,
  mime_type: Nullable,
  location: Type.Union([contentDetails.location, Type.Null()]),
  contacts: Type.Union([contentDetails.contacts, Type.Null()]),
  poll: Type.Union([contentDetails.poll, Type.Null()]),
  reply_to: Nullable,
  mentions: Type.Array(Type.String()),
  reacted_to: Type.Union([Type.String(), Type.Null()], {
    description: 'Of a reaction, the WhatsApp id of the message it is about',
  }),
  changes: Type.Union([Type.String(), Type.Null()], {
    description: 'Of an edit or a deletion, the WhatsApp id of the message it is about',
  }),
  at: Time,
  times_received: Type.Integer({ description: 'More than 1: it was sent again under the same id' }),
})

const writtenOf = ({ from, name, group, from_me: fromMe, at }: WrittenBody): SandboxWritten => ({
  from,
  ...(name !== undefined && { name }),
  ...(group !== undefined && { group }),
  ...(fromMe !== undefined && { fromMe }),
  ...(at !== undefined && { at: timeOf(at, 'at') }),
})
type WrittenBody = Pick<Static<typeof IncomingBody>, keyof typeof written>

export const incomingOf = (body: Static<typeof IncomingBody>): SandboxIncoming => ({
  ...writtenOf(body),
  content: contentOf(body),
  ...(body.message_id !== undefined && { whatsappId: body.message_id }),
})

export const reactionOf = (body: Static<typeof ReactionBody>): SandboxReaction => ({
  ...writtenOf(body),
  targetWhatsappId: body.message_id,
  emoji: body.emoji,
})

export const changeOf = (body: Static<typeof DeletionBody>, text?: string): SandboxChange => ({
  whatsappId: body.message_id,
  ...(body.from_me !== undefined && { fromMe: body.from_me }),
  ...(text !== undefined && { text }),
  ...(body.at !== undefined && { at: timeOf(body.at, 'at') }),
})

const contentOf = (body: Static<typeof IncomingBody>): Content => {
  const { text, media_type: kind, media_url: url, mime_type: mimeType, filename, mentions } = body
  const caption = body.caption ?? text
  const replying = body.reply_to === undefined ? {} : { replyTo: body.reply_to }
  const quoting = {
    ...replying,
    ...(mentions && { mentions: mentions.map((mention) => toJid(mention, 'mentions')) }),
  }
  if (kind !== undefined)
    return {
      kind,
      ...(url !== undefined && { url }),
      ...(mimeType !== undefined && { mimeType }),
      ...(filename !== undefined && { filename }),
      ...(caption !== undefined && { caption }),
      ...quoting,
    }
  if (url !== undefined) throw invalid('media_type', `is required with media_url: ${mediaKinds.join(', ')}`)
  if (body.location) return locationContent(body.location, replying)
  if (body.contacts) return contactContent({ contacts: body.contacts }, replying)
  if (body.poll) return pollContent(body.poll, replying)
  if (text === undefined)
    throw invalid('text', 'is required unless media_type, location, contacts or poll is given')
  return { kind: 'text', text, ...quoting }
}

/** The message that a signal of some kinds is about. */
const targetOf = (content: Content, ...kinds: Signal['kind'][]) =>
  isSignal(content) && kinds.includes(content.kind) ? content.targetWhatsappId : null

const shownAddress = (chat: string) => (isGroup(chat) || chat.endsWith('@lid') ? chat : numberOf(chat))

export const signView = (sign: SandboxSign): Static<typeof SignView> => ({
  kind: sign.kind,
  to: shownAddress(sign.chat),
  message_id: sign.kind === 'read' ? sign.whatsappId : null,
  presence: sign.kind === 'presence' ? sign.presence : null,
  at: sign.at,
})

export const contactOf = (body: Static<typeof ContactBody>): SandboxContact => ({
  of: body.of,
  ...(body.name !== undefined && { pushName: body.name }),
  ...(body.address_book_name !== undefined && { savedName: body.address_book_name }),
  ...(body.picture_url !== undefined && { pictureUrl: body.picture_url }),
})

export const outboxView = ({ whatsappId, chat, content, at, timesReceived }: SandboxMessage) => {
  const media = isMedia(content) ? content : undefined
  const mentions = 'mentions' in content ? content.mentions : undefined
  const { location = null, contacts = null, poll = null } = detailsOf(content)
  return {
    message_id: whatsappId,
    to: shownAddress(chat),
    kind: content.kind,
    text: media ? null : textOf(content),
    caption: media?.caption ?? null,
    filename: media?.filename ?? null,
    media_url: media?.url ?? null,
    mime_type: media?.mimeType ?? null,
    location,
    contacts,
    poll,
    reply_to: ('replyTo' in content ? content.replyTo : undefined) ?? null,
    mentions: mentions ?? [],
    reacted_to: targetOf(content, 'reaction'),
    changes: targetOf(content, 'edit', 'delete'),
    at,
    times_received: timesReceived,
  }
}
