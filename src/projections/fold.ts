import { upcast } from '../domain/catalogue.ts'
import type { Recorded } from '../ports/event-store.ts'
import { changesOf, type Change, type Projection } from './projection.ts'

/** An event that a projection cannot read. The projection stops there until somebody mends it. */
export class UnreadableEvent extends Error {
  override name = 'UnreadableEvent'
  constructor(projection: string, { type, stream, revision, position }: Recorded, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`${projection} cannot read ${type} at ${position} (${stream} revision ${revision}): ${reason}`, {
      cause,
    })
  }
}

export type Pending<Row> = { readonly event: Recorded; readonly changes: readonly Change<Row>[] }

/** The changes that a batch of events means to a projection, in order. */
export const pendingChanges = <Row extends object>(
  projection: Projection<Row>,
  batch: readonly Recorded[],
): Pending<Row>[] => {
  const pending: Pending<Row>[] = []
  for (const event of batch) {
    try {
      const changes = changesOf(projection, upcast(event))
      if (changes && changes.length > 0) pending.push({ event, changes })
    } catch (error) {
      throw new UnreadableEvent(projection.name, event, error)
    }
  }
  return pending
}

/** The rows that have to be known before changes can be applied: not those that are first overwritten. */
export const keysOf = <Row>(pending: readonly Pending<Row>[]): string[] => {
  const firstIsBlind = new Map<string, boolean>()
  for (const { changes } of pending)
    for (const { key, blind } of changes) if (!firstIsBlind.has(key)) firstIsBlind.set(key, blind ?? false)
  return [...firstIsBlind].filter(([, blind]) => !blind).map(([key]) => key)
}

/** Applies changes to rows, in order. Gives the rows that came out different. */
export const applyChanges = <Row extends object>(
  projection: Projection<Row>,
  pending: readonly Pending<Row>[],
  rows: Map<string, Row | undefined>,
): Map<string, Row | undefined> => {
  const changed: Map<string, Row | undefined> = new Map()
  for (const { event, changes } of pending)
    for (const { key, evolve, blind } of changes) {
      try {
        const before = rows.get(key)
        const after = evolve(before)
        if (after === before && !blind) continue
        rows.set(key, after)
        changed.set(key, after)
      } catch (error) {
        throw new UnreadableEvent(projection.name, event, error)
      }
    }
  return changed
}
