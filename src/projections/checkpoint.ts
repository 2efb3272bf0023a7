import type { Pool, PoolClient } from 'pg'
import { START, type Position } from '../ports/event-store.ts'
import { createTable, type Projection } from './projection.ts'

export const readCheckpoint = async (client: Pool | PoolClient, name: string): Promise<Position> => {
  const text = 'select position::text from checkpoint where name = $1'
  const { rows } = await client.query<{ position: string }>(text, [name])
  return BigInt(rows[0]?.position ?? START)
}

/**
 * Makes sure that the table of a projection is there in its present version. A table that is missing, or was made by
 * another version, is made anew, empty, with the checkpoint at the start of the log.
 */
export const ensureTable = async <Row extends object>(pool: Pool, projection: Projection<Row>) => {
  const { name, version } = projection
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query('select pg_advisory_xact_lock(hashtext($1))', [`projection ${name}`])
    const { rows } = await client.query<{ present: boolean }>(
      `select exists (select 1 from checkpoint where name = $1 and version = $2)
              and to_regclass('public.' || $1) is not null as present`,
      [name, version],
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
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}
