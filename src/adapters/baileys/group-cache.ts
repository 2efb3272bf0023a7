import type { BaileysEventMap, GroupMetadata } from '@whiskeysockets/baileys'
import { LRUCache } from 'lru-cache'
import type { OpenSocket } from './ask.ts'
import { atMost } from './caches.ts'

const GROUPS_MAX = 500
/** For a change that nobody told of. */
const BELIEVED_MS = 10 * 60_000

/**
 * Groups as WhatsApp told them, for one socket, so that a message to a group needs no question first. People stay under
 * the ids that they have there: the library encrypts for exactly those. Whatever happens to a group makes it unknown,
 * and the next message asks again.
 */
export const createGroupCache = (open: () => OpenSocket) => {
  const groups = new LRUCache<string, GroupMetadata>({ ...atMost(GROUPS_MAX), ttl: BELIEVED_MS })
  const asking = new Map<string, Promise<GroupMetadata | undefined>>()

  const forget = (jid: string | null | undefined) => {
    if (!jid) return
    groups.delete(jid)
    // What was asked before may be out of date.
    asking.delete(jid)
  }

  const ask = (jid: string) => {
    const { sock, ask } = open()
    // Without an answer the library asks for itself, and hears the reason.
    const answer = ask('group metadata', () => sock.groupMetadata(jid)).catch(() => undefined)
    asking.set(jid, answer)
    void answer.then((group) => {
      if (asking.get(jid) !== answer) return
      asking.delete(jid)
      if (group) groups.set(jid, group)
    })
    return answer
  }

  return {
    /** For the configuration of the socket. */
    cachedGroupMetadata: async (jid: string): Promise<GroupMetadata | undefined> =>
      groups.get(jid) ?? asking.get(jid) ?? ask(jid),
    /** The next message asks again. */
    forget,
    /** Hears every batch of events. Of changes at the same time only the first comes as such, but all come as messages. */
    hear: (events: Partial<BaileysEventMap>) => {
      for (const { id } of events['groups.upsert'] ?? []) forget(id)
      for (const { id } of events['groups.update'] ?? []) forget(id)
      forget(events['group-participants.update']?.id)
      for (const { key, messageStubType } of events['messages.upsert']?.messages ?? [])
        if (messageStubType) forget(key.remoteJid)
    },
  }
}
export type GroupCache = ReturnType<typeof createGroupCache>
