import type { EventStore, Position, Recorded } from './ports/event-store.ts'

type Events = readonly Recorded[]
type Batches = Pick<EventStore, 'subscribeToAll'>
/** A log that can be read from end to end, wherever it is. */
export type LogReader = Pick<EventStore, 'head' | 'subscribeToAll'>
/** Batches larger than the store's, which keeps its own within bounds: of as many events or of as many of its own. */
type Larger = { readonly events: number; readonly batches: number }
const AS_THEY_COME: Larger = { events: 1, batches: 1 }

/** The log after a position, up to and with another one, in batches: the next is read while one is worked on. */
export async function* readLog(
  store: Batches,
  after: Position,
  upTo: Position,
  larger: Larger = AS_THEY_COME,
): AsyncGenerator<Events> {
  if (after >= upTo) return
  const done = new AbortController()
  const batches = gather(batchesUpTo(store, after, upTo, done.signal), larger)
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

async function* gather(batches: AsyncIterable<Events>, larger: Larger): AsyncGenerator<Events> {
  let gathered: Events[] = []
  let count = 0
  for await (const batch of batches) {
    gathered.push(batch)
    count += batch.length
    if (count < larger.events && gathered.length < larger.batches) continue
    yield gathered.flat()
    gathered = []
    count = 0
  }
  if (gathered.length > 0) yield gathered.flat()
}
