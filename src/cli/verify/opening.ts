import { withErased } from '../../domain/personal.ts'
import { isUuid } from '../../domain/values.ts'
import type { EventStore, Recorded } from '../../ports/event-store.ts'
import { DESTROYED, type KnownKey, type SealingKeys } from '../../ports/sealing-keys.ts'
import type { LogReader } from '../../read-log.ts'
import { openEvent, sealOf, unsealed } from '../../seal.ts'
import { at, type TellLog } from './findings.ts'

/** What can be read of a stored event; where what is sealed does not open, as if it were erased, and why. */
export type Opened = { readonly event: Recorded; readonly erased: boolean; readonly why?: string }

/** The keys of a batch of stored events, all at once. */
export const keysOf = async (
  keys: SealingKeys,
  batch: readonly Recorded[],
): Promise<ReadonlyMap<string, KnownKey>> => {
  const ids = new Set(batch.flatMap((event) => sealOf(event)?.key ?? []))
  const wanted = [...ids].filter((id) => isUuid(id))
  return wanted.length > 0 ? keys.find(wanted) : new Map()
}

/** Opens a stored event; one that cannot be opened holds up no other. */
export const openStored = (event: Recorded, keys: ReadonlyMap<string, KnownKey>): Opened => {
  const seal = sealOf(event)
  if (!seal) return { event, erased: false }
  const key = keys.get(seal.key)
  const nulls = Array.isArray(seal.nulls) ? seal.nulls : []
  const closed: Opened = {
    event: { ...event, data: withErased(unsealed(event), nulls), erased: true },
    erased: true,
  }
  if (key === DESTROYED) return closed
  if (key === undefined)
    return { ...closed, why: 'what is sealed in it has no key: the key is lost, or never was' }
  try {
    return { event: openEvent(event, seal, key), erased: false }
  } catch {
    return {
      ...closed,
      why: 'what is sealed in it does not open: it was changed, or belongs to another event or another key',
    }
  }
}

/** A log as everybody reads it, but that what does not open holds up nobody: it is told, and reads as erased. */
export const openedLog = (stored: EventStore, keys: SealingKeys, tell: TellLog): LogReader => ({
  head: stored.head,
  async *subscribeToAll(after, signal) {
    for await (const batch of stored.subscribeToAll(after, signal)) {
      const known = await keysOf(keys, batch)
      yield batch.map((one) => {
        const { event, why } = openStored(one, known)
        if (why !== undefined) tell({ ...at(event), kind: 'sealed', what: why })
        return event
      })
    }
  },
})
