import { EventEmitter, once, setMaxListeners } from 'node:events'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WAMessage, WAMessageKey } from '@whiskeysockets/baileys'
import { isMedia, type MediaMessage } from '../../domain/content.ts'
import { Refusal } from '../../domain/errors.ts'
import { createPlaces } from '../../places.ts'
import type { GatewayListener, Incoming } from '../../ports/gateway.ts'
import { isDataError } from '../postgres/errors.ts'
import type { Journal } from './journal.ts'
import { createLanes } from './lanes.ts'
import type { MessageMemory } from './message-memory.ts'
import type { Told } from './told.ts'
import { REVOKED } from './translate.ts'

/** Calls of the listener at once. */
const AT_ONCE = 8
/** What waits in memory. Of what comes beyond it, that which the journal has is read from there in its turn. */
const WAITING_MAX = 1000
/** The journal is read once so few of its messages are in memory: what it gives besides them is new. */
const IN_HAND_MAX = 500
const RETRY_MIN_MS = 200
const RETRY_MAX_MS = 30_000
/** So often is tried what fails for what it is, and not because somebody is out of reach. */
const HOPELESS_AFTER = 4

/** What was told in one go, and the messages that it came in. */
export type Batch = { readonly told: readonly Told[]; readonly arrived: readonly WAMessage[] }

type Options = {
  readonly journal: Pick<Journal, 'settle'>
  /** What the journal has that was not settled, oldest first, each message told in our own words. */
  readonly pending: () => Promise<readonly Batch[]>
  readonly messages: Pick<MessageMemory, 'remember'>
  readonly listener: Omit<GatewayListener, 'connection'>
  /** The content of a message, with its file or with the reason why it is missing. */
  readonly download: (
    message: WAMessage,
    content: MediaMessage,
    how: { readonly keep: (body: Readable) => Promise<MediaMessage>; readonly signal: AbortSignal },
  ) => Promise<MediaMessage>
  readonly waitingMax?: number
  readonly onError: (error: unknown) => void
}

/**
 * What WhatsApp told becomes known to the listener: of one chat in order, of different ones beside each other, each again
 * until it is heard or the session ends. Only then is it settled in the journal, from which the next session, or this
 * one when too much waits, reads what is left. What is refused for what it is holds up nobody: it stays there, for a
 * later session, which may know what to do with it. Begins with what is there: nothing new is told before `drain` was called.
 */
export const createInbox = (options: Options) => {
  const { journal, messages, listener, download, waitingMax = WAITING_MAX, onError } = options
  const ending = new AbortController()
  const { signal } = ending
  setMaxListeners(0, signal)
  const places = createPlaces(AT_ONCE)
  const lanes = createLanes()
  /** Messages of the journal that were taken and are not settled. */
  const inHand = new Set<string>()
  const progress = new EventEmitter()
  /** While the journal is read, what it has is left in it. */
  let isReading = true
  let wasLeft = false
  let reading: Promise<void> | undefined

  /** Does something until it is done. Rejects at the end of the session, and where it is hopeless. */
  const untilDone = async <T>(task: () => Promise<T>): Promise<T> => {
    let refusals = 0
    for (let pauseMs = RETRY_MIN_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS)) {
      signal.throwIfAborted()
      try {
        return await task()
      } catch (error) {
        signal.throwIfAborted()
        if (isHopeless(error) && ++refusals >= HOPELESS_AFTER) throw error
        onError(error)
      }
      await sleep(pauseMs, undefined, { signal })
    }
  }
  /** What is good to have, or what is done without it. */
  const orWithout = <T>(wanted: Promise<T>, without: T): Promise<T> =>
    wanted.catch((error: unknown) => {
      signal.throwIfAborted()
      onError(error)
      return without
    })
  const untilHeard = (tell: () => Promise<void>) => untilDone(() => places.within(tell))

  const contentOf = ({ content, past, ...incoming }: Incoming, message: WAMessage) => {
    const { whatsappId, chat, fromMe, sender } = incoming
    if (!isMedia(content)) return content
    // Old files are many, and most of them are gone: the phone would be asked for each.
    if (past) return { ...content, mediaMissing: 'past' as const }
    const keep = (body: Readable) => listener.file({ whatsappId, chat, fromMe, sender, content, body })
    return orWithout<MediaMessage>(
      untilDone(() => download(message, content, { keep, signal })),
      { ...content, mediaMissing: 'unavailable' },
    )
  }

  const tell = async (told: Told): Promise<void> => {
    switch (told.kind) {
      case 'message': {
        const { incoming, raw } = told
        await orWithout(
          untilDone(() => messages.remember([raw])),
          undefined,
        )
        const content = await contentOf(incoming, raw)
        return untilHeard(() => listener.message({ ...incoming, content }))
      }
      case 'receipt':
        return untilHeard(() => listener.receipt(told.receipt))
      case 'reaction':
        return untilHeard(() => listener.reaction(told.reaction))
      case 'change':
        return untilHeard(() => listener.change(told.change))
      case 'contact':
        return untilHeard(() => listener.contact(told.news))
      case 'addressLink':
        return untilHeard(() => listener.addressLink(told.link))
    }
  }

  /** A message is settled once it was heard, and what tells of it otherwise once all of its batch was. */
  const settle = async ({ key }: WAMessage, heard: readonly Promise<void>[]) => {
    try {
      await Promise.all(heard)
      await untilDone(() => journal.settle([key]))
    } catch (error) {
      // It stays in the journal.
      if (!signal.aborted) onError(error)
    } finally {
      inHand.delete(nameOf(key))
      progress.emit('settled')
    }
  }

  const accept = ({ told, arrived }: Batch) => {
    const hollow = hollowIn(arrived)
    const unsettled = arrived.filter(({ key, message }) => message && !hollow.has(key.id))
    for (const { key } of unsettled) inHand.add(nameOf(key))
    const all = told.map((one) => {
      const heard = lanes.run(one, () => tell(one))
      heard.catch(() => undefined)
      return { one, heard }
    })
    for (const message of unsettled) {
      const own = all.filter(({ one }) => one.kind === 'message' && one.raw.key.id === message.key.id)
      void settle(
        message,
        (own.length > 0 ? own : all).map(({ heard }) => heard),
      )
    }
    if (hollow.size > 0) void readJournal()
  }

  const read = async () => {
    /** What was read. Should it be there again after it was settled, it is not told for ever. */
    const known = new Set<string>()
    const isNew = ({ arrived }: Batch) =>
      arrived.every(({ key }) => !inHand.has(nameOf(key)) && !known.has(nameOf(key)))
    for (let isComplete = false; !isComplete;) {
      while (inHand.size > IN_HAND_MAX) await once(progress, 'settled', { signal })
      wasLeft = false
      const fresh = (await untilDone(options.pending)).filter(isNew)
      for (const batch of fresh) {
        for (const { key } of batch.arrived) known.add(nameOf(key))
        accept(batch)
      }
      isComplete = fresh.length === 0 && !wasLeft
    }
    isReading = false
    reading = undefined
  }

  const readJournal = (): Promise<void> => {
    wasLeft = true
    isReading = true
    reading ??= read().catch((error: unknown) => {
      if (!signal.aborted) onError(error)
    })
    return reading
  }

  /** Takes what was told, and the messages that it came in as far as the journal has them. Never throws. */
  const take = (told: readonly Told[], arrived: readonly WAMessage[] = []): void => {
    try {
      if (signal.aborted) return
      if (arrived.length > 0 && lanes.size() >= waitingMax) void readJournal()
      if (!isReading || arrived.length === 0) return accept({ told, arrived })
      wasLeft = true
      accept({ told: told.filter((one) => !isJournalled(one, arrived)), arrived: [] })
    } catch (error) {
      onError(error)
    }
  }

  return {
    take,
    /** Takes what the journal still has, before anything that comes; resolves once all of it was taken. */
    drain: readJournal,
    /** Resolves once everything that was taken is told and settled. */
    idle: async (): Promise<void> => {
      await reading
      while (lanes.size() > 0 || inHand.size > 0) {
        await lanes.idle()
        if (inHand.size > 0) await once(progress, 'settled')
      }
    },
    /** Ends it: what was not heard stays in the journal. Resolves once nothing is under way. */
    stop: async (): Promise<void> => {
      ending.abort()
      await reading
      await lanes.idle()
    },
  }
}

/** Whether it will fail again, whoever is in reach. A request that came to nothing is a TypeError with a cause. */
const isHopeless = (error: unknown): boolean => {
  if (error instanceof Refusal) return error.code !== 'UNAVAILABLE'
  if (error instanceof TypeError) return error.cause === undefined
  return error instanceof RangeError || isDataError(error)
}

const nameOf = ({ id, fromMe, participant, remoteJid }: WAMessageKey) =>
  [fromMe ? 'me' : participant || remoteJid, id].join(' ')

/**
 * Ids of revocations that swallowed a message which nobody was told of yet. That one is in the journal: it and its
 * revocation are told from there.
 */
const hollowIn = (arrived: readonly WAMessage[]): ReadonlySet<string | null | undefined> =>
  new Set(
    arrived
      .filter(({ message, messageStubType }) => !message && messageStubType === REVOKED)
      .map(({ key }) => key.id),
  )

/** Whether it will be told again from the journal: what came with messages that are in it. */
const isJournalled = (told: Told, arrived: readonly WAMessage[]): boolean => {
  switch (told.kind) {
    case 'message':
      return arrived.some(({ key }) => key.id === told.raw.key.id)
    case 'reaction':
    case 'change':
      return true
    case 'receipt':
    case 'contact':
    case 'addressLink':
      return false
  }
}
