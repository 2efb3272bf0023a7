import type { PublicEvent } from '../domain/public-events.ts'

export type HandleEvents = (events: readonly PublicEvent[]) => Promise<void>

/** How a bus stands on this node. */
export type BusStatus = {
  /** Events published since the start. */
  readonly published: number
  /** Records that could not be read, and were put aside, since the start. */
  readonly deadLetters: number
  /** Times since the start that what a group had to read next was not there any more. */
  readonly gaps: number
  /** Events that each group has still to handle, as last looked at; of this node's groups only. */
  readonly lag: Readonly<Record<string, number>>
  /** Why events do not reach the subscribers of this node at present. */
  readonly error?: string
}

/**
 * Carries public events to those who subscribe. Events of one key arrive in order, each at least once.
 * Every adapter passes `test/contracts/bus.ts`.
 */
export interface Bus {
  /** Resolves once the events cannot be lost any more; only then may the publisher move its checkpoint. */
  publish(events: readonly PublicEvent[]): Promise<void>
  /**
   * `handle` resolves once the events are safe with the subscriber; until then they are given to it again. Subscribers
   * of one group, on whichever nodes, share the events between them. To be called before `run`.
   */
  subscribe(group: string, handle: HandleEvents): void
  /**
   * Brings what others published to the subscribers of this node, until the signal. Rejects if it had to give up for
   * good, which only a new process can mend.
   */
  run(signal: AbortSignal): Promise<void>
  status(): BusStatus
}
