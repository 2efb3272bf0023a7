import type { Pool, PoolClient } from 'pg'
import type { Position } from '../ports/event-store.ts'
import type { Scrub } from '../ports/scrub.ts'
import type { LogReader } from '../read-log.ts'
import { inTransaction } from '../transaction.ts'
import { createIndex, createTable, type AnyProjection } from './projection.ts'

/** Where read models are made anew, and where they are made to be compared with. */
export const REBUILD = 'rebuild'
export const SCRATCH = 'scratch'

const LOCK_TIMEOUT_MS = 3000
/** For making an index. */
const INDEX_MEMORY = '256MB'

/** Somebody else works in the schema. */
class SchemaTaken extends Error {
  override name = 'SchemaTaken'
}

const lockOf = (schema: string) => `schema ${schema}`

/** Takes a schema for this process. Whoever dies loses it. Answers how to give it back. Throws SchemaTaken. */
export const lockSchema = async (pool: Pool, schema: string): Promise<() => Promise<void>> => {
  const client = await pool.connect()
  // Without its connection the schema is open to others; the checkpoints there then tell one from the other.
  client.on('error', ignore)
  try {
    await client.query(`set lock_timeout = ${LOCK_TIMEOUT_MS}`)
    await client.query('select pg_advisory_lock(hashtext($1))', [lockOf(schema)])
    return () => unlock(client, schema)
  } catch (error) {
    client.release(true)
    if (!isLockTimeout(error)) throw error
    throw new SchemaTaken(`Somebody else is at work in the schema ${schema}. Wait until they are done.`, {
      cause: error,
    })
  }
}

const ignore = () => {}

const unlock = async (client: PoolClient, schema: string) => {
  client.off('error', ignore)
  try {
    await client.query('reset lock_timeout')
    await client.query('select pg_advisory_unlock(hashtext($1))', [lockOf(schema)])
    client.release()
  } catch {
    // The lock goes with the connection.
    client.release(true)
  }
}

const isLockTimeout = (error: unknown) => error instanceof Error && 'code' in error && error.code === '55P03'

/**
 * Takes away what was left by runs that were ended by force, and may hold what is erased. Those that are at work read of
 * the deletion themselves.
 */
export const scrubBeside =
  (pool: Pool): Scrub =>
  async () => {
    const text = 'select nspname as schema from pg_namespace where nspname = any($1)'
    const { rows } = await pool.query<{ schema: string }>(text, [[REBUILD, SCRATCH]])
    for (const { schema } of rows)
      await inTransaction(pool, async (client) => {
        const lock = 'select pg_try_advisory_xact_lock(hashtext($1)) as taken'
        const { rows } = await client.query<{ taken: boolean }>(lock, [lockOf(schema)])
        if (rows[0]?.taken) await client.query(`drop schema if exists ${schema} cascade`)
      })
  }

type Place = {
  readonly pool: Pool
  readonly schema: string
  readonly projections: readonly AnyProjection[]
  /** Whether a table gets all its indexes when it is made. */
  readonly indexed: boolean
}

export type OpenTable = Awaited<ReturnType<typeof openTable>>

/** The tables of projections in a schema, as an earlier run left them or new; and no others. */
export const openTables = async (place: Place, store: Pick<LogReader, 'head'>): Promise<OpenTable[]> => {
  const { pool, schema, projections } = place
  const head = await store.head()
  return inTransaction(pool, async (client) => {
    await client.query(`
      create schema if not exists ${schema};
      create table if not exists ${schema}.checkpoint (
        name text primary key,
        definition text not null,
        indexes text[] not null,
        position bigint not null,
        updated_at timestamptz not null default now()
      )`)
    const { rows } = await client.query<{ name: string }>(
      `delete from ${schema}.checkpoint where name <> all($1) returning name`,
      [projections.map(({ name }) => name)],
    )
    for (const { name } of rows) await client.query(`drop table if exists ${schema}.${name}`)
    const tables: OpenTable[] = []
    for (const projection of projections) tables.push(await openTable(client, projection, place, head))
    return tables
  })
}

type Row = { position: string; oid: number; indexes: string[] }

const openTable = async (client: PoolClient, projection: AnyProjection, place: Place, head: Position) => {
  const { pool, schema, indexed } = place
  const { name, version } = projection
  const definition = `version ${version}: ${createTable(projection, schema)}`
  const find = async () => {
    const text = `
      select position::text, to_regclass($1)::oid as oid, indexes from ${schema}.checkpoint
      where name = $2 and definition = $3 and position <= $4 and to_regclass($1) is not null`
    const { rows } = await client.query<Row>(text, [`${schema}.${name}`, name, definition, String(head)])
    return rows[0]
  }
  const make = async () => {
    const indexes = indexed ? projection.indexes : []
    await client.query(`drop table if exists ${schema}.${name}; ${createTable(projection, schema, indexes)}`)
    await client.query(
      `insert into ${schema}.checkpoint (name, definition, indexes, position) values ($1, $2, $3, 0)
       on conflict (name) do update set definition = $2, indexes = $3, position = 0, updated_at = now()`,
      [name, definition, indexes],
    )
  }
  const row = (await find()) ?? (await make().then(find))
  if (!row) throw new Error(`The table ${schema}.${name} was taken away`)
  const indexes = new Set(row.indexes)

  const add = async (index: string, through: PoolClient) => {
    await through.query(createIndex(name, schema, index))
    const text = `update ${schema}.checkpoint set indexes = indexes || $2::text where name = $1`
    await through.query(text, [name, index])
    indexes.add(index)
  }

  return {
    projection,
    schema,
    oid: row.oid,
    position: BigInt(row.position),
    empty: row.position === '0',

    /** What is swept is found by an index, which is made when the first sweep comes. */
    indexFor: async (column: string, through: Pool | PoolClient) => {
      const candidates = projection.indexes.filter((index) => new RegExp(`^\\(${column}[,)]`).test(index))
      if (candidates.some((index) => indexes.has(index))) return
      const [shortest] = candidates.toSorted((one, other) => one.length - other.length)
      if (shortest === undefined) throw new Error(`${name} has no index of ${column}, by which it is swept`)
      if ('release' in through) await add(shortest, through)
      else await inTransaction(pool, (own) => add(shortest, own))
    },

    /** All that are missing, and what the planner has to know. */
    addIndexes: async () => {
      const missing = projection.indexes.filter((index) => !indexes.has(index))
      if (missing.length === 0) return
      await pool.query(`vacuum (analyze) ${schema}.${name}`)
      for (const index of missing)
        await inTransaction(pool, async (own) => {
          await own.query(`set local maintenance_work_mem = '${INDEX_MEMORY}'`)
          await add(index, own)
        })
    },
  }
}
