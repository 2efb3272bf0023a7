import { upcast } from '../domain/catalogue.ts'
import type { EventStore, Recorded } from '../ports/event-store.ts'

export type ReadStream = EventStore['readStream']
type Place = { readonly stream: string; readonly revision: number }

const keyOf = ({ stream, revision }: Place) => `${stream} ${revision}`

/** Events by their places in the log, each stream read once. Answers by place; undefined for one that is not there. */
export const readEvents = async (readStream: ReadStream, places: readonly Place[]) => {
  const first = new Map<string, number>()
  for (const { stream, revision } of places)
    first.set(stream, Math.min(revision, first.get(stream) ?? revision))
  const wanted = new Set(places.map(keyOf))
  const found = new Map<string, Recorded>()
  const reading = [...first].map(async ([stream, from]) => {
    for (const event of await readStream(stream, from))
      if (wanted.has(keyOf(event))) found.set(keyOf(event), upcast(event))
  })
  await Promise.all(reading)
  return (place: Place): Recorded | undefined => found.get(keyOf(place))
}
