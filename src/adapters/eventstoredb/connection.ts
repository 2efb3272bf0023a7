import {
  BACKWARDS,
  END,
  excludeSystemEvents,
  FORWARDS,
  NO_STREAM,
  START,
  streamNameFilter,
  type AppendResult,
  type EventData,
  type EventStoreDBClient,
  type ResolvedEvent,
} from '@eventstore/db-client'
import { createPlaces } from '../../places.ts'
import { within } from '../within.ts'
import { inTime, Late } from './attempts.ts'
import { openClient } from './client.ts'
import { isKeptForEver, isLeaving } from './errors.ts'

/**
 * Appends that the client is given at once. From the 16th unsent one on it keeps them in a queue of its own, and a
 * connection that breaks while that is not empty ends the process with an unhandled rejection.
 */
const APPENDS_AT_ONCE = 15
/** An append that was not answered by then never will be: the connection would have been given up by its keepalive. */
const SETTLED_MS = 60_000
/**
 * Sent as a time of day, after which the server drops an append: far off, so that clocks may differ. By itself a server
 * waits no longer than 2 seconds.
 */
const DEADLINE_MS = 60_000
const DISPOSE_MS = 2000
/** Events that a filter looks at before the server says how far it has come. */
const SEARCH_WINDOW = 1000

/** A commit position; the prepare position of what clients write today is the same. */
type Commit = bigint
const placeOf = (commit: Commit) => ({ commit, prepare: commit })

type Append = { readonly stream: string; readonly expected: number; readonly events: EventData[] }
type Flow = AsyncIterable<ResolvedEvent> & {
  readonly readableLength: number
  on(event: 'error', listener: (error: Error) => void): unknown
  destroy(): unknown
}
type Reading = Flow & { cancel(): Promise<void> }
export type Live = Flow & { unsubscribe(): Promise<void> }

/**
 * The client keeps all appends under way in one place of the process. When one of its connections breaks it gives all of
 * them up, and an answer to one of those that comes on another connection ends the process. So there is one client, and
 * one connection for appends at a time.
 */
let isOpen = false

const closed = () => new Error('The connection to EventStoreDB was closed')

/** The one client of this process, with its calls bounded in time and all that it leaves behind cleaned up. */
export const connect = (url: string) => {
  if (isOpen) throw new Error('A process has one connection to EventStoreDB')
  let client = openClient(url)
  isOpen = true
  let isClosed = false
  const places = createPlaces(APPENDS_AT_ONCE)
  let underWay = 0
  let onIdle = () => {}
  /** The client will not recover, or has left a connection on which appends may be under way. */
  let isSpoilt = false
  let renewing: Promise<void> | undefined

  const dispose = () => inTime(DISPOSE_MS, client.dispose()).catch(() => {})

  /** Another client, once no append is under way. */
  const renew = async () => {
    try {
      while (underWay > 0) await new Promise<void>((go) => (onIdle = go))
      await dispose()
      if (!isClosed) client = openClient(url)
      isSpoilt = false
    } finally {
      renewing = undefined
    }
  }

  /** Counts an append as under way until it is settled; answers how to say that it is. */
  const begin = (onSettled: () => void) => {
    underWay++
    let isUnderWay = true
    const settle = () => {
      if (!isUnderWay) return
      isUnderWay = false
      clearTimeout(timer)
      if (--underWay === 0) onIdle()
      onSettled()
    }
    const timer = setTimeout(settle, SETTLED_MS)
    timer.unref()
    return settle
  }

  /** Waits for a place, so long at most; answers how to give it back. */
  const enter = (ms: number) => {
    const waiting = new AbortController()
    return within(ms, places.enter(waiting.signal), () => {
      waiting.abort()
      return new Late(`There was no place for an append within ${Math.round(ms)} ms`)
    })
  }

  const send = async ({ stream, expected, events }: Append, endsAt: number, giveBack: () => void) => {
    let settle = giveBack
    try {
      while (isSpoilt || renewing) await (renewing ??= renew())
      if (isClosed || performance.now() > endsAt) throw closed()
      settle = begin(giveBack)
      const options = {
        expectedRevision: expected < 0 ? NO_STREAM : BigInt(expected),
        requiresLeader: true,
        deadline: DEADLINE_MS,
      } as const
      return await client.appendToStream(stream, events, options).catch((error: unknown) => {
        if (isKeptForEver(error)) isSpoilt = true
        throw error
      })
    } finally {
      settle()
    }
  }

  /**
   * One attempt to append: waits for its turn as long as there is time, then for the answer. Rejects with what the client
   * says, or Late: then it may or may not happen yet.
   */
  const append = async (
    what: Append,
    { leftMs, answerMs }: { leftMs: number; answerMs: number },
  ): Promise<AppendResult> => {
    const endsAt = performance.now() + leftMs
    const giveBack = await enter(leftMs)
    return inTime(Math.min(answerMs, endsAt - performance.now()), send(what, endsAt, giveBack))
  }

  /** A fault of a call that was not an append: the client may have left its connection for another. */
  const heed = (own: EventStoreDBClient) => (error: unknown) => {
    if (own === client && isLeaving(error)) isSpoilt = true
  }

  /** One attempt to read to the end. A reading that was broken off looks complete to the client, and is not. */
  const read = async (start: (client: EventStoreDBClient) => Reading, ms: number) => {
    const own = client
    const reading = start(own)
    // Faults may come after the reading is over, and would end the process.
    reading.on('error', heed(own))
    const events: ResolvedEvent[] = []
    const collect = async () => {
      for await (const event of reading) events.push(event)
    }
    await inTime(ms, collect(), () => {
      reading.cancel().catch(() => {})
      reading.destroy()
    })
    if (isClosed || own !== client) throw closed()
    return events
  }

  const subscribe = (after: Commit | undefined, prefix: string): Live => {
    const subscription = client.subscribeToAll({
      fromPosition: after === undefined ? START : placeOf(after),
      filter:
        prefix === ''
          ? excludeSystemEvents({ maxSearchWindow: SEARCH_WINDOW })
          : streamNameFilter({ prefixes: [prefix], maxSearchWindow: SEARCH_WINDOW }),
      requiresLeader: true,
    })
    subscription.on('error', heed(client))
    return subscription
  }

  return {
    append,
    isClosed: () => isClosed,
    /** Events of one stream from a revision on. */
    readStream: (stream: string, from: number, maxCount: number, ms: number) =>
      read(
        (own) => own.readStream(stream, { fromRevision: BigInt(from), maxCount, requiresLeader: true }),
        ms,
      ),
    /** Events of the whole log from the event at a position on, itself included. */
    readForwards: (from: Commit | undefined, maxCount: number, ms: number) =>
      read(
        (own) =>
          own.readAll({
            direction: FORWARDS,
            fromPosition: from === undefined ? START : placeOf(from),
            maxCount,
            requiresLeader: true,
          }),
        ms,
      ),
    /** Events of the whole log before the event at a position, newest first. */
    readBackwards: (before: Commit | undefined, maxCount: number, ms: number) =>
      read(
        (own) =>
          own.readAll({
            direction: BACKWARDS,
            fromPosition: before === undefined ? END : placeOf(before),
            maxCount,
            requiresLeader: true,
          }),
        ms,
      ),
    /** What comes after the event at a position, for ever. System events do not; nor does what has another prefix. */
    subscribe,
    close: async () => {
      if (isClosed) return
      isClosed = true
      await renewing?.catch(() => {})
      await dispose()
      isOpen = false
    },
  }
}
export type Connection = ReturnType<typeof connect>
