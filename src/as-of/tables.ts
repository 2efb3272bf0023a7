import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import type { Recorded } from '../ports/event-store.ts'
import { applyChanges, isSwept, pendingChanges, segmentsOf, sweptRow } from '../projections/fold.ts'
import { createTable, type AnyProjection } from '../projections/projection.ts'

/** Others have their turn after so many events, or rows. */
const AT_ONCE = 1000

type Rows = Map<string, Record<string, unknown> | undefined>

/** The keys of rows by what a sweep may look for, so that it need not look at all rows. */
const indexOf = (columns: ReadonlySet<string>) => {
  const keys = new Map<string, Set<string>>()
  const placeOf = (column: string, value: unknown) => `${column} ${String(value)}`
  const add = (key: string, row: Record<string, unknown>) => {
    for (const column of columns) {
      const place = placeOf(column, row[column])
      const there = keys.get(place)
      if (there) there.add(key)
      else keys.set(place, new Set([key]))
    }
  }
  const find = ({ column, value }: { column: string; value: string }) =>
    keys.get(placeOf(column, value)) ?? []
  return { add, find }
}

/** The rows that events make, in memory: the very folding that keeps the table itself. */
const foldAll = async (projection: AnyProjection, events: readonly Recorded[], signal: AbortSignal) => {
  const segments = segmentsOf(projection, events)
  const index = indexOf(new Set(segments.flatMap(({ sweep }) => (sweep ? [sweep.column] : []))))
  const rows: Rows = new Map()
  const put = (key: string, row: Record<string, unknown> | undefined) => {
    if (!row) return void rows.delete(key)
    rows.set(key, row)
    index.add(key, row)
  }
  for (const { events, sweep } of segments) {
    for (let from = 0; from < events.length; from += AT_ONCE) {
      const part = events.slice(from, from + AT_ONCE)
      for (const [key, row] of applyChanges(projection, pendingChanges(projection, part), rows)) put(key, row)
      if (part.length === AT_ONCE) await nextTurn(undefined, { signal })
    }
    if (!sweep) continue
    for (const key of [...index.find(sweep)]) {
      const row = rows.get(key)
      if (row && isSwept(row, sweep)) put(key, sweptRow(row, sweep))
    }
  }
  return [...rows.values()].filter((row) => row !== undefined)
}

/**
 * Makes temporary tables with the names of read models, which the transaction then finds before them, and fills them with
 * what events make. They are gone with the end of the transaction, if it is rolled back.
 */
export const makeTables = async (
  client: PoolClient,
  projections: readonly AnyProjection[],
  events: readonly Recorded[],
  signal: AbortSignal,
) => {
  await client.query(projections.map((one) => createTable({ ...one, indexes: [] }, 'pg_temp')).join(';\n'))
  for (const projection of projections) {
    const { name } = projection
    const columns = Object.keys(projection.columns).join(', ')
    const rows = await foldAll(projection, events, signal)
    for (let from = 0; from < rows.length; from += AT_ONCE) {
      signal.throwIfAborted()
      await client.query(
        `insert into pg_temp.${name} (${columns})
         select ${columns} from json_populate_recordset(null::pg_temp.${name}, $1::json)`,
        [JSON.stringify(rows.slice(from, from + AT_ONCE))],
      )
    }
  }
}
