import { withErased } from '../../domain/personal.ts'
import type { Recorded } from '../../ports/event-store.ts'
import { DESTROYED, type KnownKey, type SealingKeys } from '../../ports/sealing-keys.ts'
import { openEvent, sealOf, unsealed } from '../../seal.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What can be read of a stored event. */
export type Opened =
  | { readonly event: Recorded; readonly erased: boolean }
  | { readonly event?: undefined; readonly why: string }

/** The keys of a batch of stored events, all at once. */
export const keysOf = async (
  keys: SealingKeys,
  batch: readonly Recorded[],
): Promise<ReadonlyMap<string, KnownKey>> => {
  const ids = new Set(batch.flatMap((event) => sealOf(event)?.key ?? []))
  const wanted = [...ids].filter((id) => UUID.test(id))
  return wanted.length > 0 ? keys.find(wanted) : new Map()
}

/** Opens a stored event; one that cannot be opened holds up no other. */
export const openStored = (event: Recorded, keys: ReadonlyMap<string, KnownKey>): Opened => {
  const seal = sealOf(event)
  if (!seal) return { event, erased: false }
  const key = keys.get(seal.key)
  if (key === undefined) return { why: 'what is sealed in it has no key: the key is lost, or never was' }
  try {
    return key === DESTROYED
      ? { event: { ...event, data: withErased(unsealed(event), seal.nulls) }, erased: true }
      : { event: openEvent(event, seal, key), erased: false }
  } catch {
    return {
      why: 'what is sealed in it does not open: it was changed, or belongs to another event or another key',
    }
  }
}
