import {
  isPnUser,
  jidNormalizedUser,
  type proto,
  type WAMessageKey,
  type WASocket,
} from '@whiskeysockets/baileys'
import type { MessageMemory } from './message-memory.ts'

/**
 * Finds a message for a device that could not read it, and asks for it again by its id. Only who got it gets it again: ids
 * are known to more people, as soon as somebody answers a message.
 */
export const createAskedAgain =
  (messages: Pick<MessageMemory, 'find'>, socket: () => Pick<WASocket, 'signalRepository'>) =>
  async (key: WAMessageKey): Promise<proto.IMessage | undefined> => {
    /** A chat by its hidden id, where it has one: it may have been written to by number. */
    const chatOf = async (given: string | null | undefined) => {
      const jid = jidNormalizedUser(given ?? '')
      const lid = isPnUser(jid) ? await socket().signalRepository.lidMapping.getLIDForPN(jid) : null
      return lid === null ? jid : jidNormalizedUser(lid)
    }
    const found = await messages.find(key)
    // Undefined where it is not known: an empty one would be sent again as such, and never be readable.
    if (!found?.message) return undefined
    const [asked, sent] = [await chatOf(key.remoteJid), await chatOf(found.key.remoteJid)]
    return asked === sent ? found.message : undefined
  }
