import { setTimeout as sleep } from 'node:timers/promises'
import type { EventStore, Position, Recorded } from '../ports/event-store.ts'

const RETRY_MS = 200

type Options = {
  readonly store: EventStore
  /** Looks at the present state; the log is then followed from the position that was its end before. */
  readonly begin: (head: Position) => Promise<void>
  readonly each: (event: Recorded) => void | Promise<void>
  readonly onError: (error: unknown) => void
}

/**
 * Follows the log without a checkpoint: looks at how things stand, then hears of every change. After a fault it looks
 * again. For what holds state in memory, such as open sessions.
 */
export const follow = async ({ store, begin, each, onError }: Options, signal: AbortSignal) => {
  while (!signal.aborted) {
    try {
      const head = await store.head()
      await begin(head)
      for await (const batch of store.subscribeToAll(head, signal))
        for (const event of batch) await each(event)
    } catch (error) {
      if (signal.aborted) return
      onError(error)
      await sleep(RETRY_MS)
    }
  }
}
