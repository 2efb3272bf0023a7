import { jidNormalizedUser, type GroupMetadata, type WAMessage } from '@whiskeysockets/baileys'
import { isGroup } from '../../domain/values.ts'
import type { GatewayListener } from '../../ports/gateway.ts'
import { numbersOf } from './addresses.ts'
import { numbersIn, participantIn } from './group-answers.ts'
import type { GroupCache } from './group-cache.ts'
import { createInbox } from './inbox.ts'
import type { Downloads } from './download.ts'
import type { Batch, Connection } from './connection.ts'
import type { SessionStore } from './session-store.ts'
import type { Told } from './told.ts'
import { lidsIn, messagesIn, translate, type Known } from './translate.ts'

/** What happens to the socket alone is not news. */
const plumbing = new Set(['connection.update', 'creds.update'])

type Parts = {
  readonly connection: Pick<Connection, 'sock'>
  readonly groups: Pick<GroupCache, 'cachedGroupMetadata'>
  readonly store: SessionStore
  readonly listener: GatewayListener
  readonly importsPast: boolean
  readonly download: Downloads['download']
  /** The end of the session. */
  readonly closing: AbortSignal
  readonly onError: (error: unknown) => void
}

/** What one socket tells, in the order in which it tells it, in our own words, to the listener. */
export const createHearing = (parts: Parts) => {
  const { connection, groups, store, closing, onError } = parts
  const { sock } = connection

  /** The groups that something was said in: who is an admin there, and how they are called. */
  const groupsOf = async (messages: readonly WAMessage[]) => {
    const jids = new Set(
      messages.flatMap(({ key }) => (isGroup(key.remoteJid ?? '') ? [key.remoteJid ?? ''] : [])),
    )
    const found = await Promise.all(
      [...jids].map(async (jid) => groups.cachedGroupMetadata(jid).catch(() => undefined)),
    )
    return new Map(found.flatMap((group) => (group ? [[group.id, group]] : [])))
  }

  const knownOf = async (batch: Batch): Promise<Known> => {
    const [pairs, known] = await Promise.all([numbersOf(sock, lidsIn(batch)), groupsOf(messagesIn(batch))])
    const { id = '', lid, name } = sock.user ?? {}
    return {
      account: {
        jid: jidNormalizedUser(id),
        ...(lid && { lid: jidNormalizedUser(lid) }),
        ...(name !== undefined && { name }),
      },
      pnOf: (hidden) => pairs.get(hidden),
      past: parts.importsPast,
      subjectOf: (jid) => known.get(jid)?.subject,
      isAdmin: (jid, person) => isAdminIn(known.get(jid), person, pairs),
    }
  }
  const toldOf = async (batch: Batch): Promise<readonly Told[]> => translate(batch, await knownOf(batch))

  /** A message of the journal. One that cannot be told must not hold up the others. */
  const batchOf = async (message: WAMessage) => {
    try {
      const told = await toldOf({ 'messages.upsert': { messages: [message], type: 'append' } })
      return [{ told, arrived: [message] }]
    } catch (error) {
      store.broken.throwIfAborted()
      onError(error)
      return []
    }
  }

  const inbox = createInbox({
    journal: store.journal,
    pending: async () => {
      const messages = await store.journal.pending()
      const batches = await Promise.all(messages.map(batchOf))
      return batches.flat()
    },
    messages: store.messages,
    listener: parts.listener,
    // Not within the bounds of a call: a phone that is off does not make the connection a dead one.
    download: (message, content, how) =>
      parts.download(message, content, { ...how, reupload: (raw) => sock.updateMediaMessage(raw) }),
    closing,
    onError,
  })
  let last: Promise<void> = Promise.resolve()

  return {
    hear: (batch: Batch): void => {
      if (Object.keys(batch).every((name) => plumbing.has(name))) return
      last = last.then(async () => inbox.take(await toldOf(batch), journalledIn(batch))).catch(onError)
    },
    /** The connection is open: what an earlier one left is told, and then what comes. */
    begin: (): void => {
      inbox.drain().catch(onError)
    },
    /** Resolves once all that was heard is stored. */
    idle: async (): Promise<void> => {
      await last
      await inbox.idle()
    },
    /** Resolves once there is room for a part of the past. */
    hasRoom: async (): Promise<void> => {
      await last
      await inbox.hasRoom()
    },
    /** What is not stored by now stays in the journal; what is not there is told before this resolves. */
    stop: async (): Promise<void> => {
      await last
      await inbox.stop()
    },
  }
}

/**
 * What came in a stanza of its own, which has a category, if only an empty one. What the phone gave when it was asked, and
 * what was sent from here, the journal does not have.
 */
export const journalledIn = (batch: Batch): readonly WAMessage[] =>
  messagesIn(batch).filter((message) => Object.hasOwn(message, 'category'))

const isAdminIn = (group: GroupMetadata | undefined, person: string, pairs: ReadonlyMap<string, string>) =>
  group !== undefined && Boolean(participantIn(group, person, numbersIn([group], pairs))?.admin)
