import { isPnUser, jidDecode, jidNormalizedUser } from '@whiskeysockets/baileys'
import { LRUCache } from 'lru-cache'
import type { AddressLink } from '../../ports/gateway.ts'
import type { OpenSocket } from './ask.ts'

const KNOWN_MAX = 5000
const KNOWN_MS = 24 * 3_600_000
/** Somebody may get WhatsApp at any time. */
const ABSENT_MS = 10 * 60_000

/**
 * How WhatsApp wants people to be addressed: by a hidden id where there is one, and numbers as it spells them, which in
 * some countries is not as people do. Asked once for each person, and remembered across the sockets of a session.
 */
export const createAddresses = (onLink: (link: AddressLink) => void) => {
  const known = new LRUCache<string, { readonly address: string | undefined }>({
    max: KNOWN_MAX,
    ttl: KNOWN_MS,
  })

  const hiddenIdOf = async ({ sock, ask }: OpenSocket, jid: string) => {
    const lid = await ask('hidden id', () => sock.signalRepository.lidMapping.getLIDForPN(jid))
    return lid === null ? undefined : jidNormalizedUser(lid)
  }

  /** Undefined if nobody has that number at WhatsApp. */
  const find = async (open: OpenSocket, jid: string, user: string): Promise<string | undefined> => {
    const { sock, ask } = open
    // Whose hidden id was learned before is there.
    const learned = await ask('learned hidden ids', async () =>
      sock.authState.keys.get('lid-mapping', [user]),
    )
    if (learned[user] !== undefined) return (await hiddenIdOf(open, jid)) ?? jid
    const answers = await ask('is it on WhatsApp', () => sock.onWhatsApp(user))
    if (!answers) throw new Error('WhatsApp did not say whether it has the number')
    const [answer] = answers
    if (!answer) return undefined
    const spelled = jidNormalizedUser(answer.jid)
    if (!isPnUser(spelled)) return spelled
    if (spelled !== jid) onLink({ from: jid, to: spelled, at: new Date().toISOString() })
    return (await hiddenIdOf(open, spelled)) ?? spelled
  }

  return {
    /** Where a message to this chat goes; undefined if nobody is there. */
    resolve: async (open: OpenSocket, chat: string): Promise<string | undefined> => {
      const user = isPnUser(chat) ? jidDecode(chat)?.user : undefined
      if (user === undefined) return chat
      const before = known.get(chat)
      if (before) return before.address
      const address = await find(open, chat, user)
      known.set(chat, { address }, { ttl: address === undefined ? ABSENT_MS : KNOWN_MS })
      return address
    },
    /** WhatsApp did not like it. */
    forget: (chat: string) => void known.delete(chat),
  }
}
export type Addresses = ReturnType<typeof createAddresses>
