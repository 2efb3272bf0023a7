import type { Pool, PoolClient } from 'pg'
import { START, type Position } from '../ports/event-store.ts'
import { inTransaction } from '../transaction.ts'
import { createTable, type Projection } from './projection.ts'

/** How far tables are that were made by the present version of their projections. */
export const readCheckpoints = async (
  pool: Pool,
  wanted: readonly { readonly name: string; readonly version: number }[],
): Promise<ReadonlyMap<string, Position>> => {
  const { rows } = await pool.query<{ name: string; position: string }>({
    name: 'read-checkpoints',
    text: `select name, c.position::text from checkpoint c
           join unnest($1::text[], $2::integer[]) w(name, version) using (name, version)`,
    values: [wanted.map(({ name }) => name), wanted.map(({ version }) => version)],
  })
  return new Map(rows.map(({ name, position }) => [name, BigInt(position)]))
}

export const readCheckpoint = async (client: Pool | PoolClient, name: string): Promise<Position> => {
  const text = 'select position::text from checkpoint where name = $1'
  const { rows } = await client.query<{ position: string }>(text, [name])
  return BigInt(rows[0]?.position ?? START)
}

/** How far a live table is, and which one it is: another one may take its place. */
export const readLive = async (pool: Pool, name: string): Promise<{ position: Position; oid: number }> => {
  const text = `select position::text, coalesce(to_regclass('public.' || name)::oid, 0) as oid
                from checkpoint where name = $1`
  const { rows } = await pool.query<{ position: string; oid: number }>(text, [name])
  return { position: BigInt(rows[0]?.position ?? START), oid: rows[0]?.oid ?? 0 }
}

/**
 * Makes sure that the table of a projection is there in its present version. A table that is missing, or was made by
 * another version, is made anew, empty, with the checkpoint at the start of the log. Without `remake` one of another
 * version is left as it is.
 */
export const ensureTable = async <Row extends object>(
  pool: Pool,
  projection: Projection<Row>,
  { remake = true }: { readonly remake?: boolean } = {},
) => {
  const { name, version } = projection
  await inTransaction(pool, async (client) => {
    await client.query('select pg_advisory_xact_lock(hashtext($1))', [`projection ${name}`])
    const { rows } = await client.query<{ present: boolean }>(
      `select exists (select 1 from checkpoint where name = $1 and (version = $2 or not $3))
              and to_regclass('public.' || $1) is not null as present`,
      [name, version, remake],
    )
    if (!rows[0]?.present) {
      await client.query(`drop table if exists public.${name}`)
      await client.query(createTable(projection, 'public'))
      await client.query(
        `insert into checkpoint (name, version, position) values ($1, $2, 0)
         on conflict (name) do update set version = $2, position = 0, updated_at = now()`,
        [name, version],
      )
    }
  })
}
