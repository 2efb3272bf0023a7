import { getContentType, normalizeMessageContent, proto } from '@whiskeysockets/baileys'

const { Type } = proto.Message.ProtocolMessage
const MEDIA = /^(image|video|ptv|audio|document|sticker)Message$/

/** The text of a message, wherever it has it. */
export const textOf = (message: proto.IMessage): string | undefined => {
  const content = normalizeMessageContent(message)
  return (
    content?.conversation ??
    content?.extendedTextMessage?.text ??
    content?.imageMessage?.caption ??
    content?.videoMessage?.caption ??
    content?.documentMessage?.caption ??
    undefined
  )
}

/** What the stanza around a message says of it. */
export const attrsOf = (message: proto.IMessage): { type: string; edit?: string } => {
  const content = normalizeMessageContent(message) ?? {}
  const kind = getContentType(content) ?? 'conversation'
  if (MEDIA.test(kind)) return { type: 'media' }
  if (kind.startsWith('pollCreation') || kind === 'pollUpdateMessage') return { type: 'poll' }
  if (kind === 'reactionMessage') return { type: 'reaction' }
  const { type } = content.protocolMessage ?? {}
  if (type === Type.MESSAGE_EDIT) return { type: 'text', edit: '1' }
  if (type === Type.REVOKE) return { type: 'text', edit: '7' }
  return { type: 'text' }
}

/** What is in a message besides the key of a group. */
export const hasContent = ({
  senderKeyDistributionMessage: _,
  messageContextInfo: __,
  ...rest
}: proto.IMessage) =>
  Object.values(rest).some((value) => value !== null && value !== undefined && value !== '')

export const quoting = (
  text: string,
  id: string,
  author: string,
  quoted: proto.IMessage,
): proto.IMessage => ({
  extendedTextMessage: { text, contextInfo: { stanzaId: id, participant: author, quotedMessage: quoted } },
})

export const editOf = (key: proto.IMessageKey, text: string): proto.IMessage => ({
  protocolMessage: {
    type: Type.MESSAGE_EDIT,
    key,
    editedMessage: { conversation: text },
    timestampMs: Date.now(),
  },
})

export const revocationOf = (key: proto.IMessageKey): proto.IMessage => ({
  protocolMessage: { type: Type.REVOKE, key },
})

export const reactionTo = (key: proto.IMessageKey, text: string): proto.IMessage => ({
  reactionMessage: { key, text, senderTimestampMs: Date.now() },
})
