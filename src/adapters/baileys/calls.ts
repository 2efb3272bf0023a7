import type { WAMessageKey, WASocket } from '@whiskeysockets/baileys'
import { isGroup } from '../../domain/values.ts'
import type { MessageAddress, Presence } from '../../ports/gateway.ts'
import { hiddenIdOf } from './addresses.ts'
import { CallRefused, type OpenSocket } from './ask.ts'
import { participantIn } from './group-answers.ts'
import type { GroupCache } from './group-cache.ts'

const NONE = 404
/** WhatsApp shows the picture to some people only. */
const NOT_FOR_US = [401, 403]

/** How WhatsApp addresses a person whose number it has hidden meanwhile. */
const addressOf = async (sock: WASocket, jid: string): Promise<string> => (await hiddenIdOf(sock, jid)) ?? jid

/** Shows the authors of messages that they were read; what the account wrote itself is left out. */
export const markRead = async (
  { sock, ask }: OpenSocket,
  { cachedGroupMetadata }: Pick<GroupCache, 'cachedGroupMetadata'>,
  messages: readonly MessageAddress[],
): Promise<void> => {
  const keyOf = async ({ whatsappId: id, chat, sender }: MessageAddress): Promise<WAMessageKey> => {
    if (!isGroup(chat)) return { id, fromMe: false, remoteJid: await addressOf(sock, chat) }
    // Authors are named as the group has them.
    const group = await cachedGroupMetadata(chat)
    const author = group && participantIn(group, sender, (jid) => jid)
    return { id, fromMe: false, remoteJid: chat, participant: author?.id ?? sender }
  }
  const theirs = messages.filter(({ fromMe }) => !fromMe)
  if (theirs.length === 0) return
  const keys = await ask('addresses', () => Promise.all(theirs.map(keyOf)))
  await ask('read messages', () => sock.readMessages(keys))
}

/** Shows in a chat that somebody is typing or recording, or has stopped. */
export const showPresence = ({ sock, ask }: OpenSocket, chat: string, presence: Presence): Promise<void> =>
  ask('presence', async () => sock.sendPresenceUpdate(presence, await addressOf(sock, chat)))

/** Where the picture of a person or group is for some days; undefined if there is none for this account. */
export const profilePicture = async ({ sock, ask }: OpenSocket, jid: string): Promise<string | undefined> => {
  try {
    return await ask('profile picture', async () =>
      sock.profilePictureUrl(await addressOf(sock, jid), 'image'),
    )
  } catch (error) {
    if (error instanceof CallRefused && [NONE, ...NOT_FOR_US].includes(error.code ?? 0)) return undefined
    throw error
  }
}
