import type { Pool, PoolClient } from 'pg'
import { START, type EventStore, type Position } from '../ports/event-store.ts'
import { readLog } from '../read-log.ts'
import { readCheckpoint } from './checkpoint.ts'
import { applyChanges, keysOf, pendingChanges, segmentsOf } from './fold.ts'
import { createTable, type Projection } from './projection.ts'
import { projectionTable } from './table.ts'

const SCHEMA = 'rebuild'
/** A whole log is folded here, so more rows are worth keeping than while following it. */
const ROWS_KEPT = 50_000
const checkpointOf = (name: string) => `${name} (rebuild)`

type Options = {
  readonly pool: Pool
  readonly store: EventStore
  /** Told after each batch how far it is, and how many events it has read. */
  readonly onProgress?: (position: Position, head: Position, events: number) => void
}

/**
 * Makes a read model anew from the log, beside the live table, and puts it in its place in one transaction. The live
 * table is served meanwhile. Answers the number of events read.
 */
export const rebuild = async <Row extends object>(
  projection: Projection<Row>,
  options: Options,
): Promise<number> => {
  const { pool, store, onProgress } = options
  const { name, version } = projection
  const checkpoint = checkpointOf(name)
  await pool.query(`
    create schema if not exists ${SCHEMA};
    drop table if exists ${SCHEMA}.${name};
    ${createTable(projection, SCHEMA)};
    insert into checkpoint (name, version, position) values ('${checkpoint}', ${version}, 0)
      on conflict (name) do update set version = ${version}, position = 0`)

  const table = projectionTable(pool, projection, {
    schema: SCHEMA,
    checkpoint,
    empty: true,
    rowsKept: ROWS_KEPT,
  })
  let position: Position = START
  let count = 0

  /** Reads on until a position is passed; through a client, inside its transaction. */
  const readOn = async (target: Position, client: Pool | PoolClient) => {
    for await (const batch of readLog(store, position, target)) {
      for (const { events, sweep } of segmentsOf(projection, batch)) {
        const pending = pendingChanges(projection, events)
        const rows = await table.load(keysOf(pending), client)
        const last = events.at(-1)?.position ?? position
        await table.save(applyChanges(projection, pending, rows, sweep), [position, last], sweep, client)
        count += events.length
        position = last
      }
      onProgress?.(position, target, count)
    }
  }

  await readOn(await store.head(), pool)
  const client = await pool.connect()
  try {
    await client.query('begin')
    // From here on the live table stands still; what it already knows, the new one must know too. The table is locked
    // before its checkpoint, as whoever keeps it up to date does, or each would wait for the other.
    await client.query(`
      do $$ begin
        if to_regclass('public.${name}') is not null then lock table public.${name} in share row exclusive mode; end if;
      end $$`)
    await client.query('select 1 from checkpoint where name = $1 for update', [name])
    await readOn(await readCheckpoint(client, name), client)
    await client.query(`
      drop table if exists public.${name};
      alter table ${SCHEMA}.${name} set schema public;
      delete from checkpoint where name = '${checkpoint}'`)
    await client.query(
      `insert into checkpoint (name, version, position) values ($1, $2, $3)
       on conflict (name) do update set version = $2, position = $3, updated_at = now()`,
      [name, version, String(position)],
    )
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    client.release()
  }
  return count
}
