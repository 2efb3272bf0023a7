import type { EventStore, Recorded } from '../ports/event-store.ts'
import type { LogReader } from '../read-log.ts'

/** Events as they are stored, in the order of those given. */
const asStored = async (stored: EventStore, events: readonly Recorded[]): Promise<Recorded[]> => {
  const streams = new Map<string, Map<number, Recorded>>()
  await Promise.all(
    [...new Set(events.map(({ stream }) => stream))].map(async (stream) => {
      const all = await stored.readStream(stream)
      streams.set(stream, new Map(all.map((event) => [event.revision, event])))
    }),
  )
  return events.map(({ stream, revision }) => {
    const event = streams.get(stream)?.get(revision)
    if (!event) throw new Error(`Event ${revision} of ${stream} is not in the log any more`)
    return { ...event, erased: true }
  })
}

/**
 * A log as it leaves its place: in plain, but what is erased as it is stored, so that it stays erased elsewhere.
 * `store` opens what is sealed in `stored`.
 */
export const plainLog = (store: EventStore, stored: EventStore): LogReader => ({
  head: store.head,
  async *subscribeToAll(after, signal) {
    for await (const batch of store.subscribeToAll(after, signal)) {
      const erased = batch.filter((event) => event.erased)
      const restored = new Map((await asStored(stored, erased)).map((event) => [event.id, event]))
      yield restored.size === 0 ? batch : batch.map((event) => restored.get(event.id) ?? event)
    }
  },
})
