import { randomUUID } from 'node:crypto'
import { conversationId, messageId, newId } from '../src/domain/ids.ts'
import type { EventOf } from '../src/domain/decider.ts'
import type { messageEvents } from '../src/domain/message.ts'
import type { Metadata } from '../src/domain/metadata.ts'
import { nextIncoming } from './traffic.ts'

const tenant = randomUUID()
const instanceId = randomUUID()

export type Received = Extract<EventOf<typeof messageEvents>, { type: 'MessageReceived' }>
export type StoredMessage = {
  readonly stream: string
  readonly event: Received & { id: string; meta: Metadata }
}

const metaAt = (at: string): Metadata => ({
  tenant,
  actor: { kind: 'gateway' },
  correlation: randomUUID(),
  version: 1,
  at,
})

/** An incoming message as it stands in the log, about 600 bytes with its metadata, on a stream of its own. */
export const receivedMessage = (number: number, chat = `55119${number}@s.whatsapp.net`): StoredMessage => {
  const { id: whatsappId, body } = nextIncoming()
  const at = new Date().toISOString()
  const data = {
    number,
    instanceId,
    conversationId: conversationId(instanceId, chat),
    conversationNumber: 1,
    whatsappId,
    chat,
    content: { kind: 'text', text: body.message.conversation } as const,
    at,
    sender: chat,
    senderName: body.pushName,
  }
  return {
    stream: `message-${messageId(instanceId, whatsappId)}`,
    event: { type: 'MessageReceived', data, id: newId(), meta: metaAt(at) },
  }
}

/** The same message again, as another one on a stream of its own; cheap to make, unlike a whole one. */
export const likeMessage = ({ event }: StoredMessage): StoredMessage => ({
  stream: `message-${randomUUID()}`,
  event: { ...event, id: randomUUID() },
})

/** A conversation of that instance, for its first event. */
export const startedConversation = (number: number, chat: string) => {
  const at = new Date().toISOString()
  const data = { number, instanceId, chat, isGroup: false, at }
  return {
    stream: `conversation-${conversationId(instanceId, chat)}`,
    event: { type: 'ConversationStarted', data, id: newId(), meta: metaAt(at) } as const,
  }
}
