import { Type, type Static } from 'typebox'
import type { Content } from '../domain/content.ts'
import { invalid } from '../domain/errors.ts'
import type { ConnectionReport } from '../domain/instance.ts'
import { receiptStatuses } from '../domain/message.ts'
import { isGroup, literals, numberOf, toJid } from '../domain/values.ts'
import { changeIn, contentOf, editedText, unwrapped, type Reading } from '../domain/whatsapp-content.ts'
import { type Fields } from '../domain/whatsapp-fields.ts'
import type { Incoming, IncomingChange, IncomingReaction, Receipt } from '../ports/gateway.ts'
import { Nullable } from './format.ts'
import { timeOf } from './times.ts'

/** The payloads of the incoming hooks, as the reference has them, and what they say in our own words. */

const Id = Type.String({ minLength: 1, maxLength: 100, description: 'WhatsApp id of the message' })
const Jid = Type.String({ minLength: 1, maxLength: 100 })
const Key = Type.Object({
  remoteJid: Type.Optional(Jid),
  id: Id,
  fromMe: Type.Optional(Type.Boolean()),
  participant: Type.Optional(Nullable),
})
const Seconds = Type.Union([Type.Integer({ minimum: 0 }), Type.String({ pattern: '^\\d{1,12}$' })], {
  description: 'Unix seconds; WhatsApp’s time',
})

const ContextInfo = Type.Object({
  stanzaId: Type.Optional(Nullable),
  mentionedJid: Type.Optional(Type.Array(Type.String())),
})
const orNull = <const S extends Parameters<typeof Type.Union>[0][number]>(schema: S) =>
  Type.Optional(Type.Union([schema, Type.Null()]))
const Media = Type.Object({
  url: Type.Optional(Nullable),
  mimetype: Type.Optional(Nullable),
  caption: Type.Optional(Nullable),
  fileName: Type.Optional(Nullable),
  contextInfo: orNull(ContextInfo),
})
const Contact = Type.Object({ displayName: Type.Optional(Nullable), vcard: Type.Optional(Nullable) })
const Location = Type.Object({
  degreesLatitude: Type.Optional(Type.Number()),
  degreesLongitude: Type.Optional(Type.Number()),
  name: Type.Optional(Nullable),
  address: Type.Optional(Nullable),
  contextInfo: orNull(ContextInfo),
})
const Poll = Type.Object({
  name: Type.Optional(Type.String()),
  options: Type.Optional(Type.Array(Type.Object({ optionName: Type.Optional(Nullable) }))),
  selectableOptionsCount: Type.Optional(Type.Integer({ minimum: 0, description: '0: any number' })),
  contextInfo: orNull(ContextInfo),
})
/** Says how the message in it is to be shown. */
const Wrapping = Type.Object({
  message: Type.Object({}, { description: 'The message, with the same fields as around it' }),
})
const WhatsAppContent = Type.Object({
  conversation: Type.Optional(Nullable),
  extendedTextMessage: orNull(Type.Object({ text: Type.String(), contextInfo: orNull(ContextInfo) })),
  imageMessage: orNull(Media),
  videoMessage: orNull(Media),
  audioMessage: orNull(Media),
  documentMessage: orNull(Media),
  stickerMessage: orNull(Media),
  locationMessage: orNull(Location),
  contactMessage: orNull(Contact),
  contactsArrayMessage: orNull(Type.Object({ contacts: Type.Optional(Type.Array(Contact)) })),
  pollCreationMessage: orNull(Poll),
  pollCreationMessageV2: orNull(Poll),
  pollCreationMessageV3: orNull(Poll),
  ephemeralMessage: orNull(Wrapping),
  viewOnceMessage: orNull(Wrapping),
  viewOnceMessageV2: orNull(Wrapping),
  documentWithCaptionMessage: orNull(Wrapping),
  editedMessage: orNull(Wrapping),
  protocolMessage: orNull(
    Type.Object({
      type: Type.Union([Type.String(), Type.Integer()], {
        description: 'REVOKE or 0: taken back; MESSAGE_EDIT or 14: edited',
      }),
      key: Type.Object({ id: Id, fromMe: Type.Optional(Type.Boolean()) }),
      editedMessage: orNull(
        Type.Object({
          conversation: Type.Optional(Nullable),
          extendedTextMessage: orNull(Type.Object({ text: Type.String() })),
        }),
      ),
    }),
  ),
})

export const IncomingPayload = Type.Object({
  remoteJid: Type.Optional(Jid),
  message: WhatsAppContent,
  messageTimestamp: Type.Optional(Seconds),
  pushName: Type.Optional(Nullable),
  key: Key,
  participant: Type.Optional(Nullable),
  isGroup: Type.Optional(Type.Boolean()),
  groupName: Type.Optional(Nullable),
})

export const StatusPayload = Type.Object({
  key: Key,
  status: Type.Integer({
    minimum: 1,
    maximum: 5,
    description: '1 pending, 2 sent, 3 delivered, 4 read, 5 played',
  }),
  messageTimestamp: Type.Optional(Seconds),
})

export const QrPayload = Type.Object({
  // Longer, or beyond ASCII, it would not fit into a QR code.
  qr: Type.String({ minLength: 1, maxLength: 2000, pattern: '^[ -~]*$' }),
  qr_image: Type.Optional(Nullable),
  generated_at: Type.Optional(Type.String({ format: 'date-time' })),
})

export const ConnectionPayload = Type.Object({
  status: literals(['connected', 'qr_ready', 'disconnected', 'offline']),
  phone_number: Type.Optional(Nullable),
  timestamp: Type.Optional(Type.String({ format: 'date-time' })),
})

export const ReactionPayload = Type.Object({
  key: Key,
  reaction: Type.Object({
    text: Type.Union([Type.String({ maxLength: 32 }), Type.Null()], { description: 'Empty: taken back' }),
    key: Type.Object({ id: Id }),
  }),
  senderJid: Type.Optional(Nullable),
  senderName: Type.Optional(Nullable),
  messageTimestamp: Type.Optional(Seconds),
})

const whatsappTime = (seconds: number | string | undefined) =>
  timeOf(seconds === undefined ? Date.now() : Number(seconds) * 1000, 'messageTimestamp')
const timeOrNow = (time: string | undefined, field: string) => timeOf(time ?? Date.now(), field)

/** A caller's text is storable, and its addresses are taken as given. */
const asGiven: Reading = { text: (given) => given, jid: (given) => given, url: (given) => given }

/** What the message says. A kind that we have no words for is kept by its name. */
const saidIn = (message: Fields): Content => {
  const content = contentOf(message, asGiven)
  if (!content) throw invalid('message', 'must have content such as message.conversation')
  return content
}

const speakerOf = ({ fromMe }: Static<typeof Key>, chat: string, own: string | undefined) =>
  fromMe && own !== undefined ? own : chat

const chatOf = (key: Static<typeof Key>, remoteJid?: string) => {
  const jid = key.remoteJid ?? remoteJid
  if (jid === undefined) throw invalid('key.remoteJid', 'is required')
  return toJid(jid, 'key.remoteJid')
}

/** `own` is the JID of the instance's phone, as far as it is known: who speaks where nobody is named in what is `fromMe`. */
export const incomingOf = (payload: Static<typeof IncomingPayload>, own: string | undefined): Incoming => {
  const { key, pushName, groupName } = payload
  const chat = chatOf(key, payload.remoteJid)
  const participant = payload.participant ?? key.participant
  return {
    whatsappId: key.id,
    chat,
    ...(groupName && isGroup(chat) && { chatName: groupName }),
    fromMe: key.fromMe ?? false,
    sender: participant ? toJid(participant, 'participant') : speakerOf(key, chat, own),
    ...(pushName && { senderName: pushName }),
    content: saidIn(unwrapped(payload.message)),
    at: whatsappTime(payload.messageTimestamp),
  }
}

/** Such a message is about another one, which its author edits or takes back; undefined for every other. */
export const changeOf = (payload: Static<typeof IncomingPayload>): IncomingChange | undefined => {
  const said = changeIn(unwrapped(payload.message))
  if (!said) return undefined
  const { targetWhatsappId } = said
  const change = {
    targetWhatsappId,
    fromMe: payload.key.fromMe ?? false,
    at: whatsappTime(payload.messageTimestamp),
  }
  if (said.kind === 'delete') return change
  const text = editedText(said.message, asGiven)
  if (text === undefined)
    throw invalid('message.protocolMessage.editedMessage', 'must have the text as conversation')
  // Who takes a message back may be an admin of the group; nobody but the author gives it another text.
  const participant = payload.participant ?? payload.key.participant
  const by = change.fromMe || !participant ? {} : { by: toJid(participant, 'participant') }
  return { ...change, ...by, text }
}

const PENDING = 1
const FIRST_RECEIPT = 2

/** Undefined for `pending`, which says nothing that is not known. */
export const receiptOf = ({
  key,
  status,
  messageTimestamp,
}: Static<typeof StatusPayload>): Receipt | undefined => {
  const receipt = receiptStatuses[status - FIRST_RECEIPT]
  if (status === PENDING || receipt === undefined) return undefined
  return { whatsappId: key.id, status: receipt, at: whatsappTime(messageTimestamp) }
}

export const qrOf = ({ qr, generated_at }: Static<typeof QrPayload>): ConnectionReport => ({
  status: 'qr_ready',
  qr,
  at: timeOrNow(generated_at, 'generated_at'),
})

/** Undefined for `qr_ready`: the code itself comes by the QR hook. */
export const connectionOf = (payload: Static<typeof ConnectionPayload>): ConnectionReport | undefined => {
  const at = timeOrNow(payload.timestamp, 'timestamp')
  switch (payload.status) {
    case 'qr_ready':
      return undefined
    case 'connected':
      if (!payload.phone_number) throw invalid('phone_number', 'is required when connected')
      return { status: 'connected', phoneNumber: numberOf(toJid(payload.phone_number, 'phone_number')), at }
    case 'disconnected':
    case 'offline':
      return { status: payload.status, at }
  }
}

/** `own` as in `incomingOf`. */
export const reactionOf = (
  payload: Static<typeof ReactionPayload>,
  own: string | undefined,
): IncomingReaction => {
  const { key, reaction, senderJid, senderName, messageTimestamp } = payload
  const chat = chatOf(key)
  return {
    targetWhatsappId: reaction.key.id,
    chat,
    sender: toJid(senderJid ?? key.participant ?? speakerOf(key, chat, own), 'senderJid'),
    ...(senderName && { senderName }),
    fromMe: key.fromMe ?? false,
    emoji: reaction.text ?? '',
    at: whatsappTime(messageTimestamp),
  }
}
