import { ownerOf, takeOut, withErased } from './domain/personal.ts'
import { isUuid } from './domain/values.ts'
import { createLocalTurns } from './local-turns.ts'
import { Unopened, type EventStore, type NewEvent, type Recorded } from './ports/event-store.ts'
import { DESTROYED, type KnownKey, type SealingKeys } from './ports/sealing-keys.ts'
import { openEvent, sealEvent, sealOf, unopened, unsealed, type Seal } from './seal.ts'

const LOST = `its key is not in the table sealing_key. Bring that table back from a backup; if the key is lost for good, \
"zapini lost-keys" says what to do`

type Opened = {
  readonly events: readonly Recorded[]
  /** Why the next event cannot be read. */
  readonly fault?: Unopened
}

/**
 * A log in which what is personal is sealed: each owner's with a key of its own. Who appends and reads through it sees
 * events as they are; where a key has been destroyed, `ERASED` stands in place of what it sealed. Events from before
 * there were keys are read as they are.
 */
export const sealedStore = (stored: EventStore, keys: SealingKeys): EventStore => {
  /** The key comes before the event, and an append before those that may build on it. */
  const inTurn = createLocalTurns()
  /** Subscribers share stored events, and so what is in them. It counts as long as its key does. */
  const opened = new WeakMap<Recorded, { readonly key: KnownKey; readonly event: Recorded }>()

  const append = async (stream: string, expected: number, events: readonly NewEvent[]) => {
    const sealing = events.map((event) => ({ event, emptied: takeOut(event), owner: ownerOf(event, stream) }))
    const owners = new Set(sealing.flatMap(({ emptied, owner }) => (emptied ? [owner] : [])))
    const inUse = await inTurn(stream, () => keys.use([...owners]))
    try {
      const sealed = sealing.map(({ event, emptied, owner }) => {
        const key = inUse.keys.get(owner)
        return key && emptied ? sealEvent(event, emptied, key) : event
      })
      return await stored.append(stream, expected, sealed)
    } finally {
      inUse.end()
    }
  }

  const openOne = (event: Recorded, seal: Seal, key: KnownKey | undefined): Recorded => {
    if (key === undefined) throw unopened(event, LOST)
    const known = opened.get(event)
    if (known && known.key === key) return known.event
    const whole: Recorded =
      key === DESTROYED
        ? { ...event, data: withErased(unsealed(event), seal.nulls), erased: true }
        : openEvent(event, seal, key)
    opened.set(event, { key, event: whole })
    return whole
  }

  /** The key of each seal. Those that are not at hand are asked for together. */
  const keysOf = async (seals: readonly (Seal | undefined)[]): Promise<(KnownKey | undefined)[]> => {
    const known = seals.map((seal) => seal && keys.recall(seal.key))
    if (seals.every((seal, n) => !seal || known[n] !== undefined)) return known
    const found = await keys.find([...new Set(seals.flatMap((seal) => seal?.key ?? []))].filter(isUuid))
    return seals.map((seal) => seal && found.get(seal.key))
  }

  /** Those before one that cannot be read are still to be had. */
  const openAll = async (batch: readonly Recorded[]): Promise<Opened> => {
    const seals = batch.map(sealOf)
    const known = await keysOf(seals)
    const events: Recorded[] = []
    for (const [n, event] of batch.entries()) {
      const seal = seals[n]
      try {
        events.push(seal ? openOne(event, seal, known[n]) : event)
      } catch (fault) {
        if (!(fault instanceof Unopened)) throw fault
        return { events, fault }
      }
    }
    return { events }
  }

  const readStream = async (stream: string, fromRevision?: number) => {
    const { events, fault } = await openAll(await stored.readStream(stream, fromRevision))
    if (fault) throw fault
    return events
  }

  async function* subscribeToAll(...[after, signal]: Parameters<EventStore['subscribeToAll']>) {
    for await (const batch of stored.subscribeToAll(after, signal)) {
      const { events, fault } = await openAll(batch)
      if (signal.aborted) return
      if (events.length > 0) yield events
      if (fault) throw fault
    }
  }

  return { append, readStream, head: stored.head, subscribeToAll }
}
