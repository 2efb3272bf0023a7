import type { EventStore, Position, Recorded } from './ports/event-store.ts'

/** A log that can be read from end to end, wherever it is. */
export type LogReader = Pick<EventStore, 'head' | 'subscribeToAll'>

/** The log after a position, up to and with another one, in batches: the next is read while one is worked on. */
export async function* readLog(
  store: Pick<EventStore, 'subscribeToAll'>,
  after: Position,
  upTo: Position,
): AsyncGenerator<readonly Recorded[]> {
  if (after >= upTo) return
  const done = new AbortController()
  const iterator = store.subscribeToAll(after, done.signal)[Symbol.asyncIterator]()
  try {
    let next: Promise<IteratorResult<readonly Recorded[]>> | undefined = iterator.next()
    while (next) {
      const result: IteratorResult<readonly Recorded[]> = await next
      if (result.done) return
      const events: readonly Recorded[] = result.value
      const end: Position = events.at(-1)?.position ?? after
      next = end < upTo ? iterator.next() : undefined
      // A fault of the read is told when its turn comes.
      next?.catch(() => {})
      yield end > upTo ? events.filter(({ position }) => position <= upTo) : events
    }
  } finally {
    done.abort()
    await iterator.return?.()
  }
}

/** The same, event by event. */
export async function* eventsOf(store: Pick<EventStore, 'subscribeToAll'>, after: Position, upTo: Position) {
  for await (const batch of readLog(store, after, upTo)) yield* batch
}
