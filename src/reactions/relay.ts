import type { Bus } from '../ports/bus.ts'
import type { EventStore, Position } from '../ports/event-store.ts'
import { createTranslator } from '../public-events/translate.ts'
import type { Reaction } from './runner.ts'

const REST_MS = 5

type Options = {
  readonly store: EventStore
  readonly bus: Pick<Bus, 'publish'>
  /** Resolves once those who decide who gets an event know everything up to a position. */
  readonly ready: (position: Position, signal: AbortSignal) => Promise<void>
}

/** Tells the outside: makes public events of stored ones and publishes them, in the order of the log. */
export const relay = ({ store, bus, ready }: Options): Reaction => {
  const translate = createTranslator(store)

  return {
    name: 'relay',
    restMs: REST_MS,
    handle: async (batch, signal) => {
      const { told, remember } = await translate(batch)
      const events = batch.flatMap(({ id }) => told.get(id) ?? [])
      const last = batch.at(-1)
      if (events.length > 0 && last) {
        await ready(last.position, signal)
        await bus.publish(events)
      }
      remember()
    },
  }
}
