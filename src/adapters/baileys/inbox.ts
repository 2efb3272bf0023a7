import { EventEmitter, once, setMaxListeners } from 'node:events'
import type { WAMessage, WAMessageKey } from '@whiskeysockets/baileys'
import type { Journal } from './journal.ts'
import { createLanes } from './lanes.ts'
import { createTelling, type Telling } from './telling.ts'
import type { Told } from './told.ts'
import { REVOKED } from './translate.ts'
import { untilDone } from './until-done.ts'

/** What waits in memory. Of what comes beyond it, that which the journal has is read from there in its turn. */
const WAITING_MAX = 1000
/** The journal is read once so few of its messages are in memory: what it gives besides them is new. */
const IN_HAND_MAX = 500
/** What waits that nobody else has. Of what comes beyond it, receipts and names are not told. */
const LOOSE_MAX = 20_000

/** What was told in one go, and the messages that it came in. */
export type Batch = { readonly told: readonly Told[]; readonly arrived: readonly WAMessage[] }

type Options = Telling & {
  readonly journal: Pick<Journal, 'settle'>
  /** What the journal has that was not settled, oldest first, each message told in our own words. */
  readonly pending: () => Promise<readonly Batch[]>
  readonly waitingMax?: number
  readonly looseMax?: number
  /** The end of the session; an inbox may end before it, with its connection. */
  readonly closing: AbortSignal
}

/**
 * What WhatsApp told becomes known to the listener: of one chat in order, of different ones beside each other, each again
 * until it is heard or the session ends. Only then is it settled in the journal, from which the next session, or this
 * one when too much waits, reads what is left. What is refused for what it is holds up nobody: it stays there, for a
 * later session, which may know what to do with it. Begins with what is there: nothing new is told before `drain` was called.
 */
export const createInbox = (options: Options) => {
  const { journal, closing, onError } = options
  const { waitingMax = WAITING_MAX, looseMax = LOOSE_MAX } = options
  const ending = new AbortController()
  const ended = AbortSignal.any([ending.signal, closing])
  for (const signal of [ended, closing]) setMaxListeners(0, signal)
  const tell = createTelling(options)
  const lanes = createLanes()
  /** Messages of the journal that were taken and are not settled. */
  const inHand = new Set<string>()
  const progress = new EventEmitter()
  /** While the journal is read, what it has is left in it, and receipts wait for what they may be about. */
  let isReading = true
  let wasLeft = false
  let reading: Promise<void> | undefined
  let held: Told[] = []
  /** How much waits that memory alone has. */
  let loose = 0
  let isFull = false

  const untilEnd = <T>(task: () => Promise<T>) => untilDone(task, ended, onError)

  /** What the journal has is told until the end of this inbox, anything else until the end of the session. */
  const tellInTurn = (told: Told, isKept: boolean): Promise<void> => {
    const heard = lanes.run(told, () => tell(told, isKept ? ended : closing))
    if (!isKept) loose += 1
    const onOver = () => {
      if (!isKept) loose -= 1
      progress.emit('told')
    }
    heard.then(onOver, onOver)
    return heard
  }

  /** A message is settled once it was heard, and what tells of it otherwise once all of its batch was. */
  const settle = async ({ key }: WAMessage, heard: readonly Promise<void>[]) => {
    try {
      await Promise.all(heard)
      await untilEnd(() => journal.settle([key]))
    } catch (error) {
      // It stays in the journal.
      if (!ended.aborted) onError(error)
    } finally {
      inHand.delete(nameOf(key))
      progress.emit('settled')
    }
  }

  const accept = ({ told, arrived }: Batch) => {
    const hollow = hollowIn(arrived)
    const unsettled = arrived.filter(({ key, message }) => message && !hollow.has(key.id))
    for (const { key } of unsettled) inHand.add(nameOf(key))
    const all = told.map((one) => ({ one, heard: tellInTurn(one, isJournalled(one, arrived)) }))
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
      while (inHand.size > IN_HAND_MAX) await once(progress, 'settled', { signal: ended })
      wasLeft = false
      const fresh = (await untilEnd(options.pending)).filter(isNew)
      for (const batch of fresh) {
        for (const { key } of batch.arrived) known.add(nameOf(key))
        accept(batch)
      }
      isComplete = fresh.length === 0 && !wasLeft
    }
    goOn()
  }

  const release = () => {
    const told = held
    held = []
    accept({ told, arrived: [] })
  }
  const goOn = () => {
    isReading = false
    reading = undefined
    release()
  }

  const readJournal = (): Promise<void> => {
    wasLeft = true
    isReading = true
    reading ??= read().catch((error: unknown) => {
      if (!ended.aborted) onError(error)
      goOn()
    })
    return reading
  }

  /** Receipts and names are little loss, and memory has an end. */
  const bounded = (told: readonly Told[]): readonly Told[] => {
    const wasFull = isFull
    isFull = loose + held.length >= looseMax
    if (!isFull) return told
    if (!wasFull)
      onError(new Error('Too much waits to be stored: receipts and names are not told until less does'))
    return told.filter(({ kind }) => kind === 'message' || kind === 'reaction' || kind === 'change')
  }

  /** Takes what was told, and the messages that it came in as far as the journal has them. Never throws. */
  const take = (given: readonly Told[], arrived: readonly WAMessage[] = []): void => {
    try {
      if (ended.aborted) return
      const told = bounded(given)
      if (arrived.length > 0 && lanes.size() >= waitingMax) void readJournal()
      if (!isReading) return accept({ told, arrived })
      if (arrived.length > 0) wasLeft = true
      const rest = told.filter((one) => !isJournalled(one, arrived))
      held.push(...rest.filter(({ kind }) => kind === 'receipt'))
      accept({ told: rest.filter(({ kind }) => kind !== 'receipt'), arrived: [] })
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
      release()
      while (lanes.size() > 0 || inHand.size > 0) {
        await lanes.idle()
        if (inHand.size > 0) await once(progress, 'settled')
      }
    },
    /** Resolves once little waits that nobody else has, or it is over: the time for more of it. */
    hasRoom: async (): Promise<void> => {
      while (loose >= waitingMax && !ended.aborted)
        await once(progress, 'told', { signal: ended }).catch(() => undefined)
    },
    /**
     * Ends it: what the journal has and was not heard stays there. Resolves once anything else is told, or the session
     * is over, and nothing is under way.
     */
    stop: async (): Promise<void> => {
      ending.abort()
      await reading
      release()
      await lanes.idle()
    },
  }
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
      return arrived.some(({ key, message }) => message && key.id === told.raw.key.id)
    case 'reaction':
    case 'change':
      return arrived.length > 0
    case 'receipt':
    case 'contact':
    case 'addressLink':
      return false
  }
}
