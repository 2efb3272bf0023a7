import type { WAMessage } from '@whiskeysockets/baileys'
import type { Content } from '../../domain/content.ts'
import { beginningOf } from '../../domain/storable.ts'
import { isGroup } from '../../domain/values.ts'
import { changeIn, kindOf, unwrapped } from '../../domain/whatsapp-content.ts'
import { fieldsOf, type Fields } from '../../domain/whatsapp-fields.ts'
import { idOf, nameOf, textOf, type Known, type Place, type Reader } from './reading.ts'
import type { Told } from './told.ts'

export type Context = {
  readonly reader: Reader
  readonly known: Known
  readonly subjects: ReadonlyMap<string, string>
}

const EMOJI_MAX = 32
/** Kinds that say nothing to people. Reactions, edits and deletions are told as what they are. */
const plumbing = new Set([
  'protocolMessage',
  'reactionMessage',
  'fastRatchetKeySenderKeyDistributionMessage',
  'stickerSyncRmrMessage',
  'keepInChatMessage',
  'pinInChatMessage',
  'messageHistoryNotice',
  'placeholderMessage',
  // Says how many pictures follow.
  'albumMessage',
])

/** What a message says: itself, or what it does to another one. */
export const whatItSays = (context: Context, message: WAMessage): Told[] => {
  const { reader } = context
  const place = reader.placeOf(message.key, message.participant)
  if (!place) return []
  const said = unwrapped(message.message)
  const at = reader.timeOf(message.messageTimestamp)
  const change = changeIn(said)
  const reaction = fieldsOf(said['reactionMessage'])
  if (change) {
    const edited = change.kind === 'edit' ? change.message : null
    return changeOf(context, place, change.targetWhatsappId, edited, at)
  }
  return reaction
    ? reactionOf(place, reaction, reaction['key'], at, message.pushName)
    : messageOf(context, message, place, said)
}

/** `edited` is what the message says from now on; null if it was taken back. */
export const changeOf = (
  { reader, known }: Context,
  { chat, sender, fromMe }: Place,
  target: unknown,
  edited: Fields | null,
  at: string,
): Told[] => {
  const targetWhatsappId = idOf(target)
  const text = edited ? reader.editedText(edited) : undefined
  if (targetWhatsappId === undefined || (edited && text === undefined)) return []
  const asAdmin = !edited && isGroup(chat) && (known.isAdmin?.(chat, sender) ?? false)
  const change = {
    targetWhatsappId,
    fromMe,
    chat,
    by: sender,
    ...(asAdmin && { asAdmin }),
    ...(text !== undefined && { text }),
    at,
  }
  return [{ kind: 'change', change }]
}

export const reactionOf = (
  place: Place,
  reaction: Fields,
  key: unknown,
  at: string,
  pushName?: unknown,
): Told[] => {
  const targetWhatsappId = idOf(fieldsOf(key)?.['id'])
  if (targetWhatsappId === undefined) return []
  const { text } = reaction
  const senderName = place.fromMe ? undefined : nameOf(pushName)
  const told = {
    targetWhatsappId,
    ...place,
    ...(senderName !== undefined && { senderName }),
    emoji: typeof text === 'string' ? textOf(beginningOf(text, EMOJI_MAX)) : '',
    at,
  }
  return [{ kind: 'reaction', reaction: told }]
}

export const messageOf = (context: Context, message: WAMessage, place: Place, said: Fields): Told[] => {
  const { reader } = context
  const whatsappId = idOf(fieldsOf(message.key)?.['id'])
  const kind = kindOf(said)
  const isSaid = kind !== undefined && !plumbing.has(kind)
  const content = isSaid ? reader.contentOf(said) : unseenOf(message)
  if (whatsappId === undefined || !content) return []
  const chatName = chatNameOf(context, place.chat)
  const senderName = place.fromMe ? undefined : (nameOf(message.pushName) ?? nameOf(message.verifiedBizName))
  const incoming = {
    whatsappId,
    ...place,
    ...(chatName !== undefined && { chatName }),
    ...(senderName !== undefined && { senderName }),
    content,
    at: reader.timeOf(message.messageTimestamp),
  }
  return [{ kind: 'message', incoming, raw: message }]
}

/** What WhatsApp shows on the phone alone comes as the word that there is something. */
const unseenOf = ({ key, message }: WAMessage): Content | undefined =>
  !message && fieldsOf(key)?.['isViewOnce'] === true
    ? { kind: 'other', description: 'viewOnceMessage' }
    : undefined

const chatNameOf = ({ known, subjects }: Context, chat: string) =>
  isGroup(chat) ? (subjects.get(chat) ?? nameOf(known.subjectOf?.(chat))) : undefined
