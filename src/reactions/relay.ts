import type { Bus } from '../ports/bus.ts'
import type { Erasures } from '../ports/erasures.ts'
import type { EventStore, Position, Recorded } from '../ports/event-store.ts'
import { createTranslator } from '../public-events/translate.ts'
import type { Reaction } from './runner.ts'

const REST_MS = 5

type Options = {
  readonly store: EventStore
  readonly bus: Pick<Bus, 'publish'>
  readonly erasures: Pick<Erasures, 'count'>
  /** Resolves once those who decide who gets an event know everything up to a position. */
  readonly ready: (position: Position, signal: AbortSignal) => Promise<void>
}

/**
 * Tells the outside: makes public events of stored ones and publishes them, in the order of the log. Before it does, it
 * makes sure that nothing of them was erased since they were read.
 */
export const relay = ({ store, bus, erasures, ready }: Options): Reaction => {
  const { translate, forget } = createTranslator(store)
  let erased: bigint | undefined

  /** Whether nothing was erased since this was last asked. */
  const isAsBefore = async () => {
    const [before, count] = [erased, await erasures.count()]
    erased = count
    return before === count
  }

  const readAgain = async (batch: readonly Recorded[]): Promise<readonly Recorded[]> => {
    forget()
    const streams = [...new Set(batch.map(({ stream }) => stream))]
    const read = (await Promise.all(streams.map((stream) => store.readStream(stream)))).flat()
    const present = new Map(read.map((event) => [event.id, event]))
    return batch.map((event) => present.get(event.id) ?? event)
  }

  const handle = async (batch: readonly Recorded[], signal: AbortSignal): Promise<void> => {
    const last = batch.at(-1)
    if (!last) return
    for (let isKnown = await isAsBefore(); ;) {
      const present = isKnown ? batch : await readAgain(batch)
      const { told, remember } = await translate(present)
      const events = batch.flatMap(({ id }) => told.get(id) ?? [])
      if (events.length > 0) await ready(last.position, signal)
      isKnown = events.length === 0 || (await isAsBefore())
      if (!isKnown) continue
      if (events.length > 0) await bus.publish(events)
      return remember()
    }
  }

  return { name: 'relay', restMs: REST_MS, handle }
}
