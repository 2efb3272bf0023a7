import { Address, forget } from '../domain/address.ts'
import { Contact, remove as removeContact } from '../domain/contact.ts'
import { Conversation, remove as removeConversation } from '../domain/conversation.ts'
import type { Context } from '../domain/metadata.ts'
import type { SealingKeys } from '../ports/sealing-keys.ts'
import type { Erasing } from './erase.ts'
import type { Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly keys: Pick<SealingKeys, 'retire'>
  readonly ownersOf: Erasing['ownersOf']
}

/**
 * Deletes for good: it is in the log when this resolves, and from then on carried out by a reaction. Between the last event
 * that is sealed with the keys of what is deleted and the first one with those of what begins anew comes the deletion.
 */
export const createDelete = ({ transact, keys, ownersOf }: Parts) => {
  const now = () => new Date().toISOString()
  /** Nobody waits until the other nodes know, too. */
  const retiring =
    (owners: readonly string[]) =>
    <T>(append: () => Promise<T>) =>
      new Promise<T>((done, failed) => {
        keys.retire(owners, () => append().then(done, failed)).catch(failed)
      })

  return {
    conversation: async (id: string, context: Context): Promise<void> => {
      const within = retiring(await ownersOf('ConversationDeleted', id))
      await transact(Conversation, id, removeConversation(now()), context, { within })
    },
    contact: async (id: string, context: Context): Promise<void> => {
      const within = retiring(await ownersOf('ContactDeleted', id))
      await transact(Contact, id, removeContact(now()), context, { within })
    },
    /** That an address is another name of somebody; if nobody knows that, there is nothing to do. */
    address: async (id: string, instanceId: string, context: Context): Promise<void> => {
      await transact(Address, id, forget(instanceId, now()), context, { within: retiring([id]) })
    },
  }
}
export type Delete = ReturnType<typeof createDelete>
