import type { EventStore, Position, Recorded } from './ports/event-store.ts'

type Events = readonly Recorded[]
type Batches = Pick<EventStore, 'subscribeToAll'>
type Options = {
  /** In larger batches than the store's: of so many events or a few more, of fewer at the end. */
  readonly size?: number
}
/** A log that can be read from end to end, wherever it is. */
export type LogReader = Pick<EventStore, 'head' | 'subscribeToAll'>

/** The log after a position, up to and with another one, in batches: the next is read while one is worked on. */
export async function* readLog(
  store: Batches,
  after: Position,
  upTo: Position,
  { size = 1 }: Options = {},
): AsyncGenerator<Events> {
  if (after >= upTo) return
  const done = new AbortController()
  const batches = gather(batchesUpTo(store, after, upTo, done.signal), size)
  let next = batches.next()
  try {
    for (;;) {
      const result = await next
      if (result.done) return
      next = batches.next()
      // A fault of the read is told when its turn comes.
      next.catch(() => {})
      yield result.value
    }
  } finally {
    done.abort()
    await batches.return(undefined)
  }
}

/** The same, event by event. */
export async function* eventsOf(store: Batches, after: Position, upTo: Position) {
  for await (const batch of readLog(store, after, upTo)) yield* batch
}

async function* batchesUpTo(store: Batches, after: Position, upTo: Position, signal: AbortSignal) {
  for await (const events of store.subscribeToAll(after, signal)) {
    const end = events.at(-1)?.position ?? after
    yield end > upTo ? events.filter(({ position }) => position <= upTo) : events
    if (end >= upTo) return
  }
}

async function* gather(batches: AsyncIterable<Events>, size: number): AsyncGenerator<Events> {
  let events: Events = []
  for await (const batch of batches) {
    events = events.length === 0 ? batch : [...events, ...batch]
    if (events.length < size) continue
    yield events
    events = []
  }
  if (events.length > 0) yield events
}
