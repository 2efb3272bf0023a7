import { upcast } from '../domain/catalogue.ts'
import type { Recorded } from '../ports/event-store.ts'
import { changesOf, concerns, sweepOf, type Change, type Projection, type Sweep } from './projection.ts'

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

/** Events that are written at once; those that sweep rows away are the last of theirs. */
export type Segment = { readonly events: readonly Recorded[]; readonly sweep?: Sweep }

/** A batch, cut after every event that sweeps: what it takes away is what was there before it. */
export const segmentsOf = <Row extends object>(
  projection: Projection<Row>,
  batch: readonly Recorded[],
): Segment[] => {
  if (!projection.sweeps) return [{ events: batch }]
  const segments: Segment[] = []
  let events: Recorded[] = []
  for (const event of batch) {
    events.push(event)
    const sweep = sweepOf(projection, event)
    if (!sweep) continue
    segments.push({ events, sweep })
    events = []
  }
  return events.length > 0 ? [...segments, { events }] : segments
}

/** The changes that a batch of events means to a projection, in order. */
export const pendingChanges = <Row extends object>(
  projection: Projection<Row>,
  batch: readonly Recorded[],
): Pending<Row>[] => {
  const pending: Pending<Row>[] = []
  for (const event of batch) {
    if (!concerns(projection, event)) continue
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
    for (const { key, blind, beside } of changes) {
      if (!firstIsBlind.has(key)) firstIsBlind.set(key, blind ?? false)
      if (beside !== undefined && !firstIsBlind.has(beside)) firstIsBlind.set(beside, false)
    }
  return [...firstIsBlind].filter(([, blind]) => !blind).map(([key]) => key)
}

/** Applies changes to rows, in order, then the sweep. Gives the rows that came out different. */
export const applyChanges = <Row extends object>(
  projection: Projection<Row>,
  pending: readonly Pending<Row>[],
  rows: Map<string, Row | undefined>,
  sweep?: Sweep,
): Map<string, Row | undefined> => {
  const changed: Map<string, Row | undefined> = new Map()
  for (const { event, changes } of pending)
    for (const { key, evolve, blind, beside } of changes) {
      try {
        const before = rows.get(key)
        const after = evolve(before, beside === undefined ? undefined : rows.get(beside))
        if (after === before && !blind) continue
        rows.set(key, after)
        changed.set(key, after)
      } catch (error) {
        throw new UnreadableEvent(projection.name, event, error)
      }
    }
  if (sweep)
    for (const [key, row] of changed) if (row && isSwept(row, sweep)) changed.set(key, sweptRow(row, sweep))
  return changed
}

/** What becomes of a row that is swept. */
export const sweptRow = <Row extends object>(row: Row, { column, to }: Sweep): Row | undefined =>
  to === undefined ? undefined : { ...row, [column]: to }

export const isSwept = (row: object, { column, value }: Sweep) => Reflect.get(row, column) === value
