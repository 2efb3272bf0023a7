import { Conversation, start } from '../domain/conversation.ts'
import { conversationId } from '../domain/ids.ts'
import type { Context } from '../domain/metadata.ts'
import { isGroup } from '../domain/values.ts'
import type { Numbers } from '../ports/numbers.ts'
import type { Load, Recall, Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly recall: Recall
  readonly numbers: Numbers
  /** Whether an automation of the instance is enabled. */
  readonly hasAutomation: (instanceId: string) => Promise<boolean>
  /** Nobody else writes to this log: what is remembered of a conversation holds. */
  readonly alone?: boolean
}

export type StartedConversation = { readonly id: string; readonly number: number }
export type StartConversation = (
  instanceId: string,
  chat: string,
  context: Context,
  options?: {
    /** The other side speaks first, so that automation answers where there is one. */
    readonly incoming?: boolean
    /** What other nodes wrote until now has to be known; else a deletion of a moment ago may be overlooked. */
    readonly surely?: boolean
  },
) => Promise<StartedConversation>

/** The conversation of an instance and a chat, started when it is new or was deleted. Its number never changes. */
export const createStartConversation = (parts: Parts): StartConversation => {
  const { transact, load, recall, numbers, hasAutomation, alone = true } = parts

  return async (instanceId, chat, context, { incoming = false, surely = false } = {}) => {
    const id = conversationId(instanceId, chat)
    const recalled = surely && !alone ? undefined : recall(Conversation, id)
    const known = recalled?.exists ? recalled : (await load(Conversation, id)).state
    if (known.exists && known.number !== undefined) return { id, number: known.number }
    const command = {
      number: known.number ?? (await numbers('conversation')),
      instanceId,
      chat,
      // Automation answers people, not groups.
      ...(incoming && !isGroup(chat) && (await hasAutomation(instanceId)) && { automated: true }),
      at: new Date().toISOString(),
    }
    const { number } = (await transact(Conversation, id, start(command), context, { expectNew: true })).state
    if (number === undefined) throw new Error(`Conversation ${id} has not started`)
    return { id, number }
  }
}
