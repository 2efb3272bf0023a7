import { messageId, namesakeId } from '../domain/ids.ts'
import { isErased, Message } from '../domain/message.ts'
import type { Incoming } from '../ports/gateway.ts'
import type { Addresses } from './addresses.ts'
import type { FollowConversation, StartedConversation } from './conversations.ts'
import type { Load } from './transact.ts'

type Parts = {
  readonly load: Load
  readonly followConversation: FollowConversation
  readonly addresses: Pick<Addresses, 'nameOf' | 'believedNameOf'>
}
/** A conversation, whether it has started or not. */
type Chat = Pick<StartedConversation, 'id' | 'chat'>
type Said = Pick<Incoming, 'whatsappId' | 'chat' | 'sender' | 'fromMe'>

/** Whose a message is that comes in, and whether it is one that is known. */
export const createAuthors = ({ load, followConversation, addresses }: Parts) => {
  /** The JID by which the author of a message is known. */
  const authorIn = (instanceId: string, { chat }: Chat, said: Pick<Said, 'chat' | 'sender'>) =>
    said.sender === said.chat ? chat : addresses.believedNameOf(instanceId, said.sender)

  const isSamePerson = async (instanceId: string, one: string, other: string) =>
    one === other || (await addresses.nameOf(instanceId, one)) === (await addresses.nameOf(instanceId, other))

  const isIn = async (chat: Chat, { conversationId: id }: { readonly conversationId: string }) =>
    id === chat.id || (await followConversation(id)).id === chat.id

  /** Whether a message is the one that is known under an id: of the same author, in the same chat. */
  const isSame = async (message: Message, author: string, chat: Chat, fromMe: boolean) => {
    const { body, direction } = message
    if (!body) return true
    if (fromMe !== (direction === 'outgoing') || !(await isIn(chat, body))) return false
    // Told again, what was erased does not come back.
    return (
      fromMe || isErased(message) || !('sender' in body) || isSamePerson(body.instanceId, body.sender, author)
    )
  }

  /**
   * The id of a message. WhatsApp ids are chosen by who writes: one that somebody else's message has already says
   * nothing of that one, and is kept beside it.
   */
  const idOf = async (instanceId: string, said: Said, author: string, chat: Chat) => {
    const id = messageId(instanceId, said.whatsappId)
    const { state } = await load(Message, id)
    const isFree = await isSame(state, author, chat, said.fromMe)
    return isFree ? id : namesakeId(instanceId, said.whatsappId, chat.chat, author)
  }

  return { authorIn, isSamePerson, isIn, isSame, idOf }
}
export type Authors = ReturnType<typeof createAuthors>
