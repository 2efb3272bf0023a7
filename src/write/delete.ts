import { Contact, remove as removeContact } from '../domain/contact.ts'
import { Conversation, remove as removeConversation } from '../domain/conversation.ts'
import type { Context } from '../domain/metadata.ts'
import type { DeletionType, Erasing } from './erase.ts'
import type { Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly begin: Erasing['begin']
  readonly onError: (error: unknown) => void
}

/**
 * Deletes for good. Once it is in the log it is carried out by a reaction, which is begun here at once, so that what comes
 * from now on has nothing to do with it. Nobody waits for that: if it fails, it is begun there.
 */
export const createDelete = ({ transact, begin, onError }: Parts) => {
  const now = () => new Date().toISOString()
  const beginSoon = (type: DeletionType, id: string) => void begin(type, id).catch(onError)

  return {
    conversation: async (id: string, context: Context): Promise<void> => {
      await transact(Conversation, id, removeConversation(now()), context)
      beginSoon('ConversationDeleted', id)
    },
    contact: async (id: string, context: Context): Promise<void> => {
      await transact(Contact, id, removeContact(now()), context)
      beginSoon('ContactDeleted', id)
    },
  }
}
export type Delete = ReturnType<typeof createDelete>
