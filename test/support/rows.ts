import type { Pool } from 'pg'
import { projections } from '../../src/projections/index.ts'
import type { EventStore, Recorded } from '../../src/ports/event-store.ts'

export const tables = Object.values(projections).map(({ name }) => name)

/** All rows of a read model, each as JSON text, in the order of their keys. */
export const rowsOf = async (pool: Pool, table: string, schema = 'public'): Promise<string[]> => {
  const { rows } = await pool.query<{ row: string }>(
    `select to_json(t)::text as row from ${schema}.${table} t order by t.id::text`,
  )
  return rows.map(({ row }) => row)
}

/** All rows of all read models. */
export const allRows = async (pool: Pool) => {
  const read: Record<string, string[]> = {}
  for (const table of tables) read[table] = await rowsOf(pool, table)
  return read
}

/** The same without positions, which the same events have others of in another log. */
export const allRowsOfAnyLog = async (pool: Pool) => {
  const read = await allRows(pool)
  const withoutPosition = (row: string) => row.replace(/"position":\d+,/, '')
  return { ...read, audit_event: read['audit_event']?.map(withoutPosition) }
}

/** The same log, told in batches of a given size at most. */
export const inBatchesOf = (size: number, store: EventStore): EventStore => ({
  ...store,
  async *subscribeToAll(after, signal) {
    for await (const batch of store.subscribeToAll(after, signal))
      for (let n = 0; n < batch.length && !signal.aborted; n += size)
        yield batch.slice(n, n + size) satisfies readonly Recorded[]
  },
})
