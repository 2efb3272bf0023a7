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
 * Deletes for good. Once it is in the log it is carried out (`erase.ts`), which is begun here at once: if that fails, it is
 * begun there.
 */
export const createDelete = ({ transact, begin, onError }: Parts) => {
  const now = () => new Date().toISOString()
  const beginSoon = (type: DeletionType, id: string) => begin(type, id).catch(onError)

  return {
    conversation: async (id: string, context: Context): Promise<void> => {
      await transact(Conversation, id, removeConversation(now()), context)
      await beginSoon('ConversationDeleted', id)
    },
    contact: async (id: string, context: Context): Promise<void> => {
      await transact(Contact, id, removeContact(now()), context)
      await beginSoon('ContactDeleted', id)
    },
  }
}
export type Delete = ReturnType<typeof createDelete>
