import type { DomainEvent } from '../domain/decider.ts'
import type { Metadata } from '../domain/metadata.ts'

/** A place in the whole log: opaque, ordered, only ever compared and stored. */
export type Position = bigint
export const START: Position = 0n
/** The revision of a stream that does not exist; the first event of a stream has revision 0. */
export const NO_STREAM = -1

/** An event to append; its id is chosen by the caller, so that a retried append can be recognised. */
export type NewEvent<E extends DomainEvent = DomainEvent> = E & {
  readonly id: string
  readonly meta: Metadata
}

export type Recorded<E extends DomainEvent = DomainEvent> = NewEvent<E> & {
  readonly stream: string
  readonly revision: number
  readonly position: Position
  /** What was personal in it is gone for good: `ERASED`, or 0, stands in its place. */
  readonly erased?: true
}

/** What is sealed in an event cannot be opened: it, or its key, is damaged or missing. It was not erased. */
export class Unopened extends Error {
  override name = 'Unopened'
}

/** The stream is not at the revision that the append expected. Nothing was written. */
export class WrongRevision extends Error {
  override name = 'WrongRevision'
}

/** The store cannot be reached or did not answer in time. The append may or may not have happened. */
export class StoreUnavailable extends Error {
  override name = 'StoreUnavailable'
}

/** The events of one append have more bytes than the store takes at once. Nothing was written. */
export class AppendTooLarge extends Error {
  override name = 'AppendTooLarge'
}

/** What the program needs of an event store. Every adapter passes `test/contracts/event-store.ts`. */
export interface EventStore {
  /**
   * Appends all events or none, at the revision after `expected`, and answers the last one's position once durable.
   * Throws WrongRevision, StoreUnavailable or AppendTooLarge.
   */
  append(stream: string, expected: number, events: readonly NewEvent[]): Promise<Position>
  /** The events of one stream in order, from a revision on; empty if there is none. */
  readStream(stream: string, fromRevision?: number): Promise<readonly Recorded[]>
  /** Position of the newest event, START for an empty log. */
  head(): Promise<Position>
  /**
   * The whole log in order, in batches, from just after a position: first what is there, then what comes, until the
   * signal. A reader that is slow holds up nobody but itself.
   */
  subscribeToAll(after: Position, signal: AbortSignal): AsyncIterable<readonly Recorded[]>
}
