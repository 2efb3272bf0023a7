import { LRUCache } from 'lru-cache'
import type { Erasures } from '../ports/erasures.ts'
import type { EventStore, Recorded } from '../ports/event-store.ts'
import { createTranslator, type Told } from './translate.ts'

/** Newest events whose translation is kept; as many as the log keeps at hand, and some more. */
const KEPT = 5000

export type Translate = (batch: readonly Recorded[]) => Promise<Told>

/** A translation for many who follow the log at the same time: what one of them has asked for, the others get too. */
export const shareTranslation = (store: EventStore, erasures: Pick<Erasures, 'count'>): Translate => {
  const { translate, forget } = createTranslator(store)
  let erased: bigint | undefined
  let looking: Promise<void> | undefined

  const look = async () => {
    const count = await erasures.count()
    if (erased !== undefined && count !== erased) {
      kept.clear()
      forget()
    }
    erased = count
  }
  const kept = new LRUCache<string, Promise<Told>>({ max: KEPT })

  const anew = (batch: readonly Recorded[]): Promise<Told> => {
    const result = translate(batch).then(({ told, remember }) => (remember(), told))
    for (const { id } of batch) kept.set(id, result)
    result.catch(() => {
      for (const { id } of batch) if (kept.peek(id) === result) kept.delete(id)
    })
    return result
  }

  return async (batch) => {
    await (looking ??= look().finally(() => (looking = undefined)))
    const parts = new Set<Promise<Told>>()
    for (const { id } of batch) {
      const part = kept.get(id)
      // The whole batch, since a translation needs every event of a stream.
      if (!part) return anew(batch)
      parts.add(part)
    }
    const tolds = await Promise.all(parts)
    return new Map(tolds.flatMap((told) => [...told]))
  }
}
