import { isPnUser, jidDecode, jidNormalizedUser, type WASocket } from '@whiskeysockets/baileys'
import { LRUCache } from 'lru-cache'
import type { AddressLink } from '../../ports/gateway.ts'
import type { OpenSocket } from './ask.ts'
import { atMost } from './caches.ts'

const KNOWN_MAX = 5000
const KNOWN_MS = 24 * 3_600_000
/** Somebody may get WhatsApp at any time. */
const ABSENT_MS = 10 * 60_000

type Learned = Pick<WASocket, 'signalRepository'>

/** The hidden id of a person who is known by a number, if it was learned. */
export const hiddenIdOf = async ({ signalRepository }: Learned, jid: string): Promise<string | undefined> => {
  const lid = isPnUser(jid) ? await signalRepository.lidMapping.getLIDForPN(jid) : null
  return lid === null ? undefined : jidNormalizedUser(lid)
}

/** The numbers of people by their hidden ids, as far as they were learned. */
export const numbersOf = async (
  { signalRepository }: Learned,
  lids: readonly string[],
): Promise<ReadonlyMap<string, string>> => {
  const pairs = lids.length === 0 ? [] : await signalRepository.lidMapping.getPNsForLIDs([...lids])
  return new Map((pairs ?? []).map(({ lid, pn }) => [jidNormalizedUser(lid), jidNormalizedUser(pn)]))
}

/**
 * How WhatsApp wants people to be addressed: by a hidden id where there is one, and numbers as it spells them, which in
 * some countries is not as people do. Asked once for each person, and remembered across the sockets of a session.
 */
export const createAddresses = (onLink: (link: AddressLink) => void) => {
  const known = new LRUCache<string, { readonly address: string | undefined }>({
    ...atMost(KNOWN_MAX),
    ttl: KNOWN_MS,
  })

  /** Undefined if nobody has that number at WhatsApp. */
  const find = async ({ sock, ask }: OpenSocket, jid: string, user: string): Promise<string | undefined> => {
    const asWanted = async (number: string) =>
      (await ask('hidden id', () => hiddenIdOf(sock, number))) ?? number
    // Whose hidden id was learned before is there.
    const learned = await ask('learned hidden ids', async () =>
      sock.authState.keys.get('lid-mapping', [user]),
    )
    if (learned[user] !== undefined) return asWanted(jid)
    const answers = await ask('is it on WhatsApp', () => sock.onWhatsApp(user))
    if (!answers) throw new Error('WhatsApp did not say whether it has the number')
    const [answer] = answers
    if (!answer) return undefined
    const spelled = jidNormalizedUser(answer.jid)
    if (!isPnUser(spelled)) return spelled
    if (spelled !== jid) onLink({ from: jid, to: spelled, at: new Date().toISOString() })
    return asWanted(spelled)
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
