import { expect } from 'vitest'
import { START, type EventStore, type Position, type Recorded } from '../../src/ports/event-store.ts'
import { eventually } from './eventually.ts'

/** Follows a log and keeps what it is told. `stop` answers once the subscription has ended. */
export const startSubscriber = (store: Pick<EventStore, 'subscribeToAll'>, after: Position = START) => {
  const stopping = new AbortController()
  const events: Recorded[] = []
  const follow = async () => {
    for await (const batch of store.subscribeToAll(after, stopping.signal)) events.push(...batch)
  }
  const ended = follow()
  // Whoever stops it hears of its fault.
  ended.catch(() => {})
  return {
    events,
    has: (count: number) => eventually(() => expect(events.length).toBeGreaterThanOrEqual(count)),
    stop: () => {
      stopping.abort()
      return ended
    },
  }
}

/** The positions rise, and the revisions of each stream have neither gaps nor repetitions. */
export const expectInOrder = (events: readonly Recorded[]) => {
  const revisions = new Map<string, number>()
  let position = START
  for (const event of events) {
    expect(event.position).toBeGreaterThan(position)
    expect(event.revision, event.stream).toBe((revisions.get(event.stream) ?? -1) + 1)
    position = event.position
    revisions.set(event.stream, event.revision)
  }
}

/** A promise and the hand that opens it. */
export const gate = () => {
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}
