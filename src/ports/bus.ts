import type { PublicEvent } from '../domain/public-events.ts'

/**
 * Carries public events to those who subscribe. Events of one key arrive in order, each at least once.
 * Every adapter passes `test/contracts/bus.ts`.
 */
export interface Bus {
  /** Resolves once the events cannot be lost any more; only then may the publisher move its checkpoint. */
  publish(events: readonly PublicEvent[]): Promise<void>
  /** `handle` resolves once the events are safe with the subscriber; until then they are given to it again. */
  subscribe(group: string, handle: (events: readonly PublicEvent[]) => Promise<void>): void
}
