import { isMedia, textOf, type Content } from './content.ts'
import { countOf, fieldsOf, filled, listOf, type Fields } from './whatsapp-fields.ts'
import { wordingOf } from './whatsapp-wordings.ts'

/** What a message says in the words of WhatsApp – JSON or protobuf, of whoever sent it – in our own. */

/** How text is taken over. What comes out undefined is left out. */
export type Reading = {
  /** Asked after the mentions of the message. */
  readonly text: (given: string) => string
  readonly jid: (given: string) => string | undefined
  /** The address of a file. */
  readonly url: (given: string) => string | undefined
}

/** Stands beside the content of many messages, and says nothing of it. */
const ENVELOPE = ['messageContextInfo', 'senderKeyDistributionMessage']
const kindsOf = (message: Fields) =>
  Object.keys(message).filter((name) => !ENVELOPE.includes(name) && (message[name] ?? null) !== null)

const WRAPPINGS_MAX = 8
/** The message inside of what says how it is to be shown: disappearing, once only, with a caption, edited … */
export const unwrapped = (given: unknown): Fields => {
  let message = fieldsOf(given) ?? {}
  for (let depth = 0; depth < WRAPPINGS_MAX; depth++) {
    const inner = kindsOf(message).map((kind) => fieldsOf(fieldsOf(message[kind])?.['message']))
    const wrapped = inner.find((found) => found !== undefined)
    if (!wrapped) break
    message = wrapped
  }
  return message
}

/** The name that WhatsApp has for the kind of a message; undefined if it says nothing. */
export const kindOf = (message: Fields): string | undefined => kindsOf(message)[0]

const quoting = (node: Fields, { text, jid }: Reading) => {
  const { stanzaId, mentionedJid } = fieldsOf(node['contextInfo']) ?? {}
  const replyTo = filled(stanzaId)
  const mentions = listOf(mentionedJid).flatMap((given) =>
    typeof given === 'string' ? (jid(given) ?? []) : [],
  )
  return {
    ...(replyTo !== undefined && { replyTo: text(replyTo) }),
    ...(mentions.length > 0 && { mentions }),
  }
}
const replying = (node: Fields, reading: Reading) => {
  const { replyTo } = quoting(node, reading)
  return replyTo === undefined ? {} : { replyTo }
}

const mediaFields = {
  imageMessage: 'image',
  videoMessage: 'video',
  /** A video that is shown as a circle. */
  ptvMessage: 'video',
  audioMessage: 'audio',
  documentMessage: 'document',
  stickerMessage: 'sticker',
} as const

const mediaOf = (message: Fields, reading: Reading): Content | undefined => {
  for (const [field, kind] of Object.entries(mediaFields)) {
    const media = fieldsOf(message[field])
    if (!media) continue
    const address = filled(media['url'])
    const url = address === undefined ? undefined : reading.url(address)
    const [mimeType, filename, caption] = [media['mimetype'], media['fileName'], media['caption']].map(filled)
    const size = countOf(media['fileLength'])
    const quoted = quoting(media, reading)
    return {
      kind,
      ...(url !== undefined && { url }),
      ...(size !== undefined && { size }),
      ...(mimeType !== undefined && { mimeType: reading.text(mimeType) }),
      ...(filename !== undefined && { filename: reading.text(filename) }),
      ...(caption !== undefined && { caption: reading.text(caption) }),
      ...quoted,
    }
  }
  return undefined
}

const degrees = (value: unknown, most: number) =>
  typeof value === 'number' && Math.abs(value) <= most ? value : undefined

const locationOf = (message: Fields, reading: Reading): Content | undefined => {
  const node = fieldsOf(message['locationMessage']) ?? fieldsOf(message['liveLocationMessage'])
  if (!node) return undefined
  const latitude = degrees(node['degreesLatitude'], 90)
  const longitude = degrees(node['degreesLongitude'], 180)
  if (latitude === undefined || longitude === undefined) return undefined
  const name = filled(node['name']) ?? filled(node['caption'])
  const address = filled(node['address'])
  return {
    kind: 'location',
    latitude,
    longitude,
    ...(name !== undefined && { name: reading.text(name) }),
    ...(address !== undefined && { address: reading.text(address) }),
    ...replying(node, reading),
  }
}

/** An honest client has fewer contacts in one message, and fewer options in a poll. */
const LIST_MAX = 256

const contactsOf = (message: Fields, reading: Reading): Content | undefined => {
  const several = fieldsOf(message['contactsArrayMessage'])
  const node = several ?? fieldsOf(message['contactMessage'])
  const contacts = (several ? listOf(several['contacts']).slice(0, LIST_MAX) : [node]).flatMap((given) => {
    const { displayName, vcard } = fieldsOf(given) ?? {}
    if (typeof displayName !== 'string' && typeof vcard !== 'string') return []
    return [
      { displayName: reading.text(filled(displayName) ?? ''), vcard: reading.text(filled(vcard) ?? '') },
    ]
  })
  return node && contacts.length > 0 ? { kind: 'contact', contacts, ...replying(node, reading) } : undefined
}

const pollFields = [
  'pollCreationMessage',
  'pollCreationMessageV2',
  'pollCreationMessageV3',
  'pollCreationMessageV5',
]

const pollOf = (message: Fields, reading: Reading): Content | undefined => {
  const node = pollFields.map((field) => fieldsOf(message[field])).find((found) => found !== undefined)
  if (!node || typeof node['name'] !== 'string') return undefined
  const options = listOf(node['options'])
    .slice(0, LIST_MAX)
    .flatMap((given) => {
      const name = fieldsOf(given)?.['optionName']
      return typeof name === 'string' ? [reading.text(name)] : []
    })
  return {
    kind: 'poll',
    question: reading.text(node['name']),
    options,
    selectable: countOf(node['selectableOptionsCount']) ?? 0,
    ...replying(node, reading),
  }
}

const textIn = (message: Fields): string | undefined => {
  const text = filled(message['conversation']) ?? fieldsOf(message['extendedTextMessage'])?.['text']
  return typeof text === 'string' ? text : undefined
}

/**
 * What the message says; undefined if nothing. A kind that we have no words for is kept by its name. The message is
 * `unwrapped`.
 */
export const contentOf = (message: Fields, reading: Reading): Content | undefined => {
  const text = textIn(message)
  if (text !== undefined) {
    const quoted = quoting(fieldsOf(message['extendedTextMessage']) ?? {}, reading)
    return { kind: 'text', text: reading.text(text), ...quoted }
  }
  const known =
    mediaOf(message, reading) ??
    locationOf(message, reading) ??
    contactsOf(message, reading) ??
    pollOf(message, reading)
  if (known) return known
  const wording = wordingOf(message)
  if (wording) {
    const quoted = quoting(wording.node, reading)
    return { kind: 'text', text: reading.text(wording.text), ...quoted }
  }
  if (message['conversation'] === '') return { kind: 'text', text: '' }
  const kind = kindOf(message)
  return kind === undefined ? undefined : { kind: 'other', description: reading.text(kind) }
}

/** What such a message does to another one. */
export type ChangeSaid = { readonly targetWhatsappId: string } & (
  | { readonly kind: 'delete' }
  /** `message` is what it says from now on, `unwrapped`. */
  | { readonly kind: 'edit'; readonly message: Fields }
)

const REVOKE: readonly unknown[] = ['REVOKE', 0]
const MESSAGE_EDIT: readonly unknown[] = ['MESSAGE_EDIT', 14]

/** Whether a message edits or takes back another one, and which; undefined for every other. The message is `unwrapped`. */
export const changeIn = (message: Fields): ChangeSaid | undefined => {
  const protocol = fieldsOf(message['protocolMessage'])
  const targetWhatsappId = filled(fieldsOf(protocol?.['key'])?.['id'])
  if (!protocol || targetWhatsappId === undefined) return undefined
  const { type, editedMessage } = protocol
  if (REVOKE.includes(type)) return { kind: 'delete', targetWhatsappId }
  if (!MESSAGE_EDIT.includes(type)) return undefined
  return { kind: 'edit', targetWhatsappId, message: unwrapped(editedMessage) }
}

/** The text that a message has from now on, as far as it says one. */
export const editedText = (message: Fields, reading: Reading): string | undefined => {
  const content = contentOf(message, reading)
  if (!content) return undefined
  return textOf(content) ?? (isMedia(content) ? '' : undefined)
}
