import { LRUCache } from 'lru-cache'
import { Conversation, start } from '../domain/conversation.ts'
import { conversationId } from '../domain/ids.ts'
import type { Context } from '../domain/metadata.ts'
import type { Numbers } from '../ports/numbers.ts'
import type { Load, Transact } from './transact.ts'

const KEPT = 50_000

export type StartedConversation = { readonly id: string; readonly number: number }
export type StartConversation = (
  instanceId: string,
  chat: string,
  context: Context,
) => Promise<StartedConversation>

/**
 * The conversation of an instance and a chat, started when it is new. Its number never changes, so that one once known
 * needs no further look.
 */
export const createStartConversation = (
  transact: Transact,
  load: Load,
  numbers: Numbers,
): StartConversation => {
  const known = new LRUCache<string, StartedConversation>({ max: KEPT })

  return async (instanceId, chat, context) => {
    const id = conversationId(instanceId, chat)
    const remembered = known.get(id)
    if (remembered) return remembered
    let { number } = (await load(Conversation, id)).state
    if (number === undefined) {
      const command = {
        number: await numbers('conversation'),
        instanceId,
        chat,
        at: new Date().toISOString(),
      }
      number = (await transact(Conversation, id, start(command), context, { expectNew: true })).state.number
    }
    if (number === undefined) throw new Error(`Conversation ${id} has not started`)
    const conversation = { id, number }
    known.set(id, conversation)
    return conversation
  }
}
