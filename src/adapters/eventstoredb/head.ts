import type { ResolvedEvent } from '@eventstore/db-client'
import { START, StoreUnavailable, type Position, type Recorded } from '../../ports/event-store.ts'
import { commitIn, positionAt } from './events.ts'

/** Mostly the newest event of the log is ours; where it is not, ours is seldom far. */
const PAGES = [1, 32, 500]

type Options = {
  /** Events before the one at a commit position, newest first; without it, the newest. */
  readonly readBackwards: (before: bigint | undefined, count: number) => Promise<readonly ResolvedEvent[]>
  readonly ours: (event: ResolvedEvent) => Recorded | undefined
}

/** Where the newest event of ours is, among those of others and of the server itself. */
export const createHead = ({ readBackwards, ours }: Options) => {
  /** Everything up to a position has been looked at, and the newest of ours in it. */
  let known: { readonly upTo: Position; readonly own: Position } = { upTo: START, own: START }

  const learn = (upTo: Position, own: Position) => {
    if (upTo > known.upTo) known = { upTo, own }
    return own
  }

  /** A log only grows. One that does not would be followed from a place that it has not reached, past what comes next. */
  const checkGrown = (newest: Position, seen: Position) => {
    if (newest >= seen) return
    throw new StoreUnavailable(
      `EventStoreDB ends at ${newest}, before ${seen}, which it has told already: it seems to have come back from an \
older backup. Stop every node, and see "Backup and restore" in docs/operations.md`,
    )
  }

  const look = async (): Promise<Position> => {
    const seen = known.upTo
    let newest: Position | undefined
    let before: bigint | undefined
    for (let page = 0; ; page++) {
      const count = PAGES[Math.min(page, PAGES.length - 1)] ?? 1
      const events = await readBackwards(before, count)
      for (const event of events) {
        before = commitIn(event) ?? before
        if (before === undefined) continue
        const position = positionAt(before)
        if (newest === undefined) checkGrown((newest = position), seen)
        if (position <= known.upTo) return learn(newest, known.own)
        if (ours(event)) return learn(newest, position)
      }
      if (events.length < count) {
        checkGrown(newest ?? START, seen)
        return learn(newest ?? START, known.own)
      }
    }
  }

  let looking: Promise<Position> | undefined
  let next: Promise<Position> | undefined
  const begin = (): Promise<Position> => {
    if (looking) return looking
    next = undefined
    return (looking = look().finally(() => (looking = undefined)))
  }
  /** One look serves all who asked before it began. */
  const head = (): Promise<Position> => (looking ? (next ??= looking.then(begin, begin)) : begin())

  return { head, learn }
}
