import { LRUCache } from 'lru-cache'
import { upcast } from '../domain/catalogue.ts'
import { Contact } from '../domain/contact.ts'
import { fold, type Decider, type DomainEvent } from '../domain/decider.ts'
import { Instance } from '../domain/instance.ts'
import { Message } from '../domain/message.ts'
import { tellOfContact, tellOfInstance, tellOfMessage, type PublicEvent } from '../domain/public-events.ts'
import type { Bus } from '../ports/bus.ts'
import type { EventStore, Position, Recorded } from '../ports/event-store.ts'
import type { Reaction } from './runner.ts'

const STATES_KEPT = 10_000
const REST_MS = 2

type Options = {
  readonly store: EventStore
  readonly bus: Bus
  /** Resolves once those who decide who gets an event know everything up to a position. */
  readonly ready: (position: Position, signal: AbortSignal) => Promise<void>
}

/** Tells the outside: makes public events of stored ones and publishes them, in the order of the log. */
export const relay = ({ store, bus, ready }: Options): Reaction => {
  const translators = [
    translator(store, Message, tellOfMessage),
    translator(store, Instance, tellOfInstance),
    translator(store, Contact, tellOfContact),
  ]

  return {
    name: 'relay',
    restMs: REST_MS,
    handle: async (batch, signal) => {
      const translated = await Promise.all(translators.map((translate) => translate(batch)))
      const events = batch.flatMap(
        ({ id }) => translated.find(({ told }) => told.has(id))?.told.get(id) ?? [],
      )
      const last = batch.at(-1)
      if (events.length > 0 && last) {
        await ready(last.position, signal)
        await bus.publish(events)
      }
      for (const { remember } of translated) remember()
    },
  }
}

/** Translates the events of one kind of aggregate, keeping the state that each stream is in before the next event. */
const translator = <S extends object, E extends DomainEvent>(
  store: EventStore,
  decider: Decider<S, E>,
  tell: (before: S, event: Recorded<E>) => PublicEvent[],
) => {
  type Known = { readonly state: S; readonly revision: number }
  const states = new LRUCache<string, Known>({ max: STATES_KEPT })
  const belongs = ({ stream }: Recorded) => stream.startsWith(`${decider.category}-`)
  // The category of a stream says which events are on it.
  const asOwn = (event: Recorded) => upcast(event) as unknown as Recorded<E>

  /** The state that a stream was in just before an event, which may have been told before. */
  const stateBefore = async ({ stream, revision }: Recorded): Promise<S> => {
    const known = states.get(stream)
    if (known?.revision === revision - 1) return known.state
    const past = revision === 0 ? [] : await store.readStream(stream)
    return fold(decider, past.filter((event) => event.revision < revision).map(asOwn))
  }

  /** What a batch tells. `remember` is for when it has been told: a batch that comes again starts where it started. */
  return async (batch: readonly Recorded[]) => {
    const own = batch.filter(belongs)
    const first = new Map<string, Recorded>()
    for (const event of own) if (!first.has(event.stream)) first.set(event.stream, event)
    const known = new Map<string, Known>()
    await Promise.all(
      [...first].map(async ([stream, event]) => {
        known.set(stream, { state: await stateBefore(event), revision: event.revision - 1 })
      }),
    )
    const told = new Map<string, PublicEvent[]>()
    for (const event of own) {
      const before = known.get(event.stream)?.state ?? decider.initial
      told.set(event.id, tell(before, asOwn(event)))
      known.set(event.stream, { state: decider.evolve(before, asOwn(event)), revision: event.revision })
    }
    const remember = () => {
      for (const [stream, state] of known) states.set(stream, state)
    }
    return { told, remember }
  }
}
