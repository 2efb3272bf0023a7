import type { EventData, ResolvedEvent } from '@eventstore/db-client'
import { createLocalTurns } from '../../local-turns.ts'
import {
  AppendTooLarge,
  StoreUnavailable,
  WrongRevision,
  type EventStore,
  type NewEvent,
  type Position,
  type Recorded,
} from '../../ports/event-store.ts'
import { createTail } from '../tail.ts'
import { attempts } from './attempts.ts'
import { connect } from './connection.ts'
import { faultOf, isUnreadable } from './errors.ts'
import { commitIn, commitOf, isPosition, ours, positionAt, toStore } from './events.ts'
import { createHead } from './head.ts'
import { followLive } from './live.ts'

const PAGE = 500

type Options = {
  /** Connection string: `esdb://…` or `esdb+discover://…`. */
  readonly url: string
  /** What the names of all streams begin with; what begins otherwise does not exist for us. */
  readonly prefix: string
  /** Leaves an append that got no answer at that: tried again, it could come after others that were made later. */
  readonly once?: boolean
  /** Hears of what mends itself, such as a subscription that broke off. */
  readonly onError: (error: unknown) => void
  /** For tests, which do not want to wait for long. */
  readonly times?: Partial<typeof usualTimes>
}

const usualTimes = {
  /** How long one attempt may take, and a whole call with all its attempts. */
  attemptMs: 3000,
  callMs: 10_000,
}

const isDefined = <T>(value: T | undefined): value is T => value !== undefined

/** The log in EventStoreDB, or in KurrentDB, which speaks the same protocol. One in a process. */
export const eventStoreDb = ({
  url,
  prefix,
  once = false,
  onError,
  times,
}: Options): EventStore & { close(): Promise<void> } => {
  const { attemptMs, callMs } = { ...usualTimes, ...times }
  const connection = connect(url)
  const inTurn = createLocalTurns()
  const own = (event: ResolvedEvent) => ours(event, prefix)

  const reading = <T>(read: (ms: number) => Promise<T>) =>
    attempts(
      performance.now() + callMs,
      connection.isClosed,
      (leftMs) => read(Math.min(leftMs, attemptMs)),
      isUnreadable,
    )

  const readPage = async (stream: string, from: number, count = PAGE) => {
    try {
      return await reading((ms) => connection.readStream(prefix + stream, from, count, ms))
    } catch (error) {
      if (faultOf(error) === 'not-found') return []
      throw told(error, stream)
    }
  }

  const readStream = async (stream: string, fromRevision = 0): Promise<readonly Recorded[]> => {
    const events: Recorded[] = []
    for (let from = fromRevision; ;) {
      const page = await readPage(stream, from)
      events.push(...page.map(own).filter(isDefined))
      const last = page.at(-1)?.event
      if (page.length < PAGE || !last) return events
      from = Number(last.revision) + 1
    }
  }

  /** The answer to a repeated append may name another place than that of its last event. */
  const positionOf = async (stream: string, revision: bigint): Promise<Position> => {
    const [event] = await readPage(stream, Number(revision), 1)
    const commit = event && commitIn(event)
    if (commit === undefined) throw new StoreUnavailable(`What was appended to ${stream} cannot be read back`)
    return positionAt(commit)
  }

  const write = async (stream: string, expected: number, events: EventData[], endsAt: number) => {
    let tries = 0
    try {
      const attempt = (leftMs: number) => {
        tries++
        // The same ids at the same revision: the server writes them once, however often they come.
        return connection.append(
          { stream: prefix + stream, expected, events },
          { leftMs, answerMs: attemptMs },
        )
      }
      const { position, nextExpectedRevision } = await attempts(
        endsAt,
        connection.isClosed,
        attempt,
        () => once,
      )
      if (tries === 1 && position && isPosition(position.commit)) return positionAt(position.commit)
      return await positionOf(stream, nextExpectedRevision)
    } catch (error) {
      if (faultOf(error) === 'conflict')
        throw new WrongRevision(`${stream} is not at revision ${expected}`, { cause: error })
      throw told(error, stream)
    }
  }

  const append = async (stream: string, expected: number, events: readonly NewEvent[]) => {
    const stored = toStore(prefix + stream, events)
    const endsAt = performance.now() + callMs
    // One that is tried again must not come after another that builds on it.
    return inTurn(stream, () => write(stream, expected, stored, endsAt))
  }

  const readAll = async (after: Position): Promise<Recorded[]> => {
    for (let from = after; ;) {
      // The event there comes again: a server reads from no other place than that of an event.
      const page = await reading((ms) => connection.readForwards(commitOf(from), PAGE + 1, ms))
      const events = page.map(own).filter((event) => event !== undefined && event.position > after)
      const last = page.map(commitIn).findLast(isDefined)
      if (events.length > 0 || page.length <= PAGE || last === undefined) return events.filter(isDefined)
      from = positionAt(last)
    }
  }

  const { head, learn } = createHead({
    readBackwards: (before, count) => reading((ms) => connection.readBackwards(before, count, ms)),
    ours: own,
  })

  const tail = createTail({
    readAll,
    head,
    watch: (from, signal) =>
      followLive(
        {
          connection,
          prefix,
          head,
          offer: (after, events) => {
            const last = events.at(-1)?.position
            if (last !== undefined) learn(last, last)
            tail.offer(after, events)
          },
          onError,
        },
        from,
        signal,
      ),
    onError,
  })

  const close = async () => {
    // The connection last: it is what the others wait for.
    const closed = connection.close()
    await tail.close()
    await closed
  }
  return { append, readStream, head, subscribeToAll: tail.subscribe, close }
}

/** What an error means to those who know nothing of EventStoreDB. */
const told = (error: unknown, stream: string): unknown => {
  switch (faultOf(error)) {
    case 'tombstoned':
      return new Error(`${stream} is tombstoned in EventStoreDB: nothing can be read or appended any more`, {
        cause: error,
      })
    case 'too-large':
      return new AppendTooLarge(`EventStoreDB takes no append of this size to ${stream}`, { cause: error })
    case 'refused':
      return new Error('EventStoreDB refuses it to this user', { cause: error })
    case 'conflict':
    case 'not-found':
    case 'lost':
      return error
  }
}
