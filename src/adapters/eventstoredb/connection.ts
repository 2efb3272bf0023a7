import {
  BACKWARDS,
  END,
  EventStoreDBClient,
  excludeSystemEvents,
  FORWARDS,
  NO_STREAM,
  START,
  streamNameFilter,
  type AppendResult,
  type EventData,
  type ResolvedEvent,
} from '@eventstore/db-client'
import { within } from './attempts.ts'
import { isKeptForEver } from './errors.ts'
import { createPlaces } from './places.ts'

/**
 * Appends that the client is given at once. From the 16th unsent one on it keeps them in a queue of its own, and a
 * connection that breaks while that is not empty ends the process with an unhandled rejection.
 */
const APPENDS_AT_ONCE = 15
/** An append that nobody answers gives its place back: the connection is given up before, by its keepalive. */
const PLACE_MS = 30_000
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

type Flow = AsyncIterable<ResolvedEvent> & {
  readonly readableLength: number
  on(event: 'error', listener: (error: Error) => void): unknown
  destroy(): unknown
}
type Reading = Flow & { cancel(): Promise<void> }
export type Live = Flow & { unsubscribe(): Promise<void> }

/** All appends that are under way are kept in one place for all clients of a process, which two of them would break. */
let isOpen = false

const openClient = (url: string): EventStoreDBClient => {
  try {
    return EventStoreDBClient.connectionString(url)
  } catch (error) {
    throw withoutSecrets(error)
  }
}

/** What the client says of a bad connection string quotes it, with the password in it. */
const withoutSecrets = (error: unknown) => {
  const isQuoting = !(error instanceof Error) || error.message.includes('://')
  return new Error(
    `The connection string of EventStoreDB is not valid${isQuoting ? '' : `: ${error.message}`}`,
  )
}

/** The one client of this process, with its calls bounded in time and all that it leaves behind cleaned up. */
export const connect = (url: string) => {
  if (isOpen) throw new Error('A process has one connection to EventStoreDB')
  let client = openClient(url)
  isOpen = true
  let isClosed = false
  let underWay = 0
  const places = createPlaces(APPENDS_AT_ONCE)
  let isSpoilt = false
  let renewing: Promise<void> | undefined

  const dispose = () => within(DISPOSE_MS, client.dispose()).catch(() => {})

  /** Another client instead of one that will not recover. No append may be under way. */
  const renew = async () => {
    await dispose()
    if (!isClosed) client = openClient(url)
    isSpoilt = false
    renewing = undefined
  }

  /**
   * One attempt to append: waits for its turn as long as there is time, then for the answer. Rejects with what the client
   * says, or Late: then it may or may not happen yet.
   */
  const append = async (
    stream: string,
    expected: number,
    events: EventData[],
    { leftMs, answerMs }: { leftMs: number; answerMs: number },
  ) => {
    const endsAt = performance.now() + leftMs
    const giveBack = await places.take(leftMs)
    while (renewing || (isSpoilt && underWay === 0)) await (renewing ??= renew())
    underWay++
    const answer: Promise<AppendResult> = client.appendToStream(stream, events, {
      expectedRevision: expected < 0 ? NO_STREAM : BigInt(expected),
      requiresLeader: true,
      deadline: DEADLINE_MS,
    })
    const timer = setTimeout(giveBack, PLACE_MS)
    const settle = () => {
      underWay--
      clearTimeout(timer)
      giveBack()
    }
    answer.then(settle, (error: unknown) => {
      settle()
      if (isKeptForEver(error)) isSpoilt = true
    })
    return within(Math.min(answerMs, endsAt - performance.now()), answer)
  }

  /** One attempt to read to the end. A reading that was broken off looks complete to the client, and is not. */
  const read = async (start: (client: EventStoreDBClient) => Reading, ms: number) => {
    const own = client
    const reading = start(own)
    // Faults may come after the reading is over, and would end the process.
    reading.on('error', () => {})
    const events: ResolvedEvent[] = []
    const collect = async () => {
      for await (const event of reading) events.push(event)
    }
    await within(ms, collect(), () => {
      reading.cancel().catch(() => {})
      reading.destroy()
    })
    if (isClosed || own !== client) throw new Error('The connection was closed')
    return events
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
    subscribe: (after: Commit | undefined, prefix: string): Live =>
      client.subscribeToAll({
        fromPosition: after === undefined ? START : placeOf(after),
        filter:
          prefix === ''
            ? excludeSystemEvents({ maxSearchWindow: SEARCH_WINDOW })
            : streamNameFilter({ prefixes: [prefix], maxSearchWindow: SEARCH_WINDOW }),
        requiresLeader: true,
      }),
    close: async () => {
      if (isClosed) return
      isClosed = true
      await renewing
      await dispose()
      isOpen = false
    },
  }
}
export type Connection = ReturnType<typeof connect>
