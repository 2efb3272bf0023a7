import type { Readable } from 'node:stream'
import type {
  AnyMediaMessageContent,
  AnyMessageContent,
  MiscMessageGenerationOptions,
  WAMessage,
  WAMessageContent,
  WAMessageKey,
} from '@whiskeysockets/baileys'
import { textOf, type Content, type MediaMessage } from '../../domain/content.ts'
import { isGroup, numberOf } from '../../domain/values.ts'
import type { Outgoing } from '../../ports/gateway.ts'

/** The file of a message on its way out. */
export type OutgoingFile = {
  readonly stream: Readable
  readonly mimeType: string
  readonly filename?: string
  /** JPEG in base64; empty if there is none. */
  readonly jpegThumbnail?: string
  readonly width?: number
  readonly height?: number
  readonly seconds?: number
}

export type Given = {
  /** Of a medium; without it, that medium cannot be composed. */
  readonly file?: OutgoingFile | undefined
  /** The message that it is about, as WhatsApp gave it; without it, it is made anew of what the log knows. */
  readonly raw?: WAMessage | undefined
}

export type Composed = {
  readonly content: AnyMessageContent
  /** With the id of the message. */
  readonly options: MiscMessageGenerationOptions
}

/** A message in the words of Baileys. Throws if it cannot be said so: nothing would come of trying again. */
export const compose = (message: Outgoing, given: Given = {}): Composed => ({
  content: contentOf(message, given),
  options: { messageId: message.whatsappId, ...quoting(message, given) },
})

const contentOf = (message: Outgoing, given: Given): AnyMessageContent => {
  const { content } = message
  switch (content.kind) {
    case 'text': {
      const { text, mentions } = mentioning(content.text, content.mentions)
      // Without a preview given, Baileys would fetch the page that the text names.
      return { text, linkPreview: null, ...(mentions && { mentions }) }
    }
    case 'image':
    case 'video':
    case 'audio':
    case 'document':
    case 'sticker':
      return mediaOf(content, given.file)
    case 'location': {
      const { latitude, longitude, name, address } = content
      const place = { degreesLatitude: latitude, degreesLongitude: longitude }
      return {
        location: {
          ...place,
          ...(name !== undefined && { name }),
          ...(address !== undefined && { address }),
        },
      }
    }
    case 'contact': {
      const displayName = textOf(content) ?? ''
      return { contacts: { displayName, contacts: content.contacts.map((contact) => ({ ...contact })) } }
    }
    case 'poll':
      return {
        poll: { name: content.question, values: [...content.options], selectableCount: content.selectable },
      }
    case 'reaction':
      return { react: { text: content.emoji, key: keyOf(message, given) } }
    case 'edit':
      return { text: content.text, linkPreview: null, edit: keyOf(message, given) }
    case 'delete':
      return { delete: keyOf(message, given) }
    case 'other':
      throw new Error('There are no words at WhatsApp for what we have none for ourselves')
  }
}

/** WhatsApp shows a mention where the text has the number after an @; who is not named in it is named at the end. */
const mentioning = (given: string, jids: readonly string[] | undefined) => {
  if (!jids || jids.length === 0) return { text: given }
  const missing = jids.map((jid) => `@${numberOf(jid)}`).filter((name) => !given.includes(name))
  return { text: [given, ...missing].filter((part) => part !== '').join(' '), mentions: [...jids] }
}

const isVoice = (mimeType: string) => /^audio\/ogg\b/i.test(mimeType)
/** WhatsApp plays a voice message only if the codec is named. */
const VOICE = 'audio/ogg; codecs=opus'

/** The type is always said: what Baileys takes for granted, such as `image/jpeg` for every image, may be wrong. */
const mediaOf = (content: MediaMessage, file: OutgoingFile | undefined): AnyMediaMessageContent => {
  if (!file) throw new Error('The file is not there any more')
  const { stream, mimeType: mimetype, filename, ...shown } = file
  const media = { stream }
  const { text: caption, mentions } = mentioning(content.caption ?? '', content.mentions)
  const described = { ...(caption !== '' && { caption }), ...(mentions && { mentions }) }
  switch (content.kind) {
    case 'image':
      return { image: media, mimetype, ...shown, ...described }
    case 'video':
      return { video: media, mimetype, ...shown, ...described }
    case 'audio':
      return isVoice(mimetype)
        ? { audio: media, mimetype: VOICE, ptt: true, ...shown }
        : { audio: media, mimetype, ...shown }
    case 'document': {
      const fileName = content.filename ?? filename ?? 'file'
      return { document: media, mimetype, fileName, ...described }
    }
    case 'sticker':
      return { sticker: media, mimetype }
  }
}

/**
 * The whole key of the message that another is about: WhatsApp goes by whose it is. It is in the chat that the other
 * goes to, however that is addressed, or it would be shown as one from elsewhere.
 */
const keyOf = ({ chat, about }: Outgoing, { raw }: Given): WAMessageKey => {
  if (!about) throw new Error('The message that it is about is not known')
  const { whatsappId: id, fromMe, sender } = about
  const key = { remoteJid: chat, id, fromMe }
  // In a group the author is named, by the address that WhatsApp had for it if that is known.
  return isGroup(chat) && !fromMe
    ? { ...key, participant: raw?.key.participant || raw?.participant || sender }
    : key
}

/** Of a reply, the message that it answers; one that nobody knows any more is answered without showing it. */
const quoting = (message: Outgoing, given: Given): { quoted?: WAMessage } => {
  const { content, about } = message
  if (!about || !('replyTo' in content) || content.replyTo === undefined) return {}
  return { quoted: { key: keyOf(message, given), message: given.raw?.message ?? quotedOf(about.content) } }
}

/** As much of a message as a quotation shows. */
const quotedOf = (content: Content): WAMessageContent => ({ conversation: textOf(content) ?? '' })
