import type { Static, TSchema } from 'typebox'

/** One stored event type: its newest shape, the version of that shape, and how older shapes become it. */
export type EventSchema<S extends TSchema = TSchema> = {
  readonly version: number
  readonly data: S
  /** `upcasters[n]` lifts data of version n to version n + 1; a stored shape is never edited. */
  readonly upcasters: Readonly<Record<number, (data: never) => unknown>>
}

export const eventSchema = <S extends TSchema>(
  data: S,
  version = 1,
  upcasters: EventSchema['upcasters'] = {},
): EventSchema<S> => ({ version, data, upcasters })

export type EventSchemas = Readonly<Record<string, EventSchema>>

/** The union of events that a map of schemas describes. */
export type EventOf<C extends EventSchemas> = {
  [T in keyof C & string]: { readonly type: T; readonly data: Static<C[T]['data']> }
}[keyof C & string]

export type DomainEvent = { readonly type: string; readonly data: object }

/** One aggregate: its stream category, its stored event shapes, and how events make its state. */
export type Decider<S, E extends DomainEvent> = {
  readonly category: string
  readonly events: EventSchemas
  readonly initial: S
  readonly evolve: (state: S, event: E) => S
}

/** A decision already holding its command; it only waits for the present state. Repeated, it decides nothing. */
export type Decide<S, E extends DomainEvent> = (state: S) => readonly E[]

export const fold = <S, E extends DomainEvent>(
  decider: Decider<S, E>,
  events: readonly E[],
  from: S = decider.initial,
): S => events.reduce(decider.evolve, from)

export const streamOf = (decider: { readonly category: string }, id: string) => `${decider.category}-${id}`

/** The aggregate's id in a stream name: `message-<uuid>` gives `<uuid>`. */
export const idOfStream = (stream: string) => stream.slice(stream.indexOf('-') + 1)
