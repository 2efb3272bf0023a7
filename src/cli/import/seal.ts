import { ownerOf, takeOut } from '../../domain/personal.ts'
import type { Recorded } from '../../ports/event-store.ts'
import type { SealingKeys } from '../../ports/sealing-keys.ts'
import { sealEvent, sealOf } from '../../seal.ts'

/**
 * Makes of exported events what a log stores: what is personal is sealed with keys of this place. What is erased stays
 * as it is, with the name of a key that is destroyed here as it was where it comes from.
 */
export const sealAll =
  (keys: SealingKeys) =>
  async (events: readonly Recorded[]): Promise<readonly Recorded[]> => {
    const destroyed = events.flatMap((event) => {
      const seal = event.erased && sealOf(event)
      return seal ? [{ id: seal.key, owner: ownerOf(event, event.stream) }] : []
    })
    if (destroyed.length > 0) await keys.takeDestroyed(destroyed)
    const sealing = events.map((event) => {
      const emptied = event.erased ? undefined : takeOut(event)
      return { event, emptied, owner: ownerOf(event, event.stream) }
    })
    const inUse = await keys.use([
      ...new Set(sealing.flatMap(({ emptied, owner }) => (emptied ? [owner] : []))),
    ])
    // Nobody else is at work here who could retire them meanwhile.
    inUse.end()
    return sealing.map(({ event, emptied, owner }) => {
      const key = inUse.keys.get(owner)
      return key && emptied ? { ...event, ...sealEvent(event, emptied, key) } : event
    })
  }
