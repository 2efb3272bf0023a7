import type { Pool, PoolClient } from 'pg'
import { CHAIN } from '../../chain/links.ts'
import type { Position } from '../../ports/event-store.ts'
import { REBUILD } from '../../projections/beside-tables.ts'
import { projections } from '../../projections/index.ts'

/** Read models and the hash chain are made anew. */
const MADE_ANEW = [...Object.values(projections).map(({ name }) => name), CHAIN]

/** How far each reaction has come. */
export const reactionCheckpoints = async (source: Pool): Promise<ReadonlyMap<string, Position>> => {
  const { rows } = await source.query<{ name: string; position: string }>(
    'select name, position::text from checkpoint where name <> all($1)',
    [MADE_ANEW],
  )
  return new Map(rows.map(({ name, position }) => [name, BigInt(position)]))
}

/** Lets read models and the hash chain begin anew, and reactions go on where they have been. */
export const writeCheckpoints = async (target: PoolClient, reactions: ReadonlyMap<string, Position>) => {
  await target.query('delete from log_digest')
  await target.query('delete from checkpoint where name = any($1)', [MADE_ANEW])
  await target.query(
    `insert into checkpoint (name, version, position) select name, 1, position
     from unnest($1::text[], $2::bigint[]) as reaction(name, position)
     on conflict (name) do update set position = excluded.position, updated_at = now()`,
    [[...reactions.keys()], [...reactions.values()].map(String)],
  )
}

/**
 * Forgets places in the log that the database was beside until now: how far redeliveries and a replay that was ended
 * have come, and what of the deliveries came before an erasure, which is all of them now.
 */
export const forgetPlaces = async (target: PoolClient) => {
  await target.query(`
    delete from webhook_redelivery;
    delete from webhook_erased;
    update webhook_delivery set position = null where position is not null;
    drop schema if exists ${REBUILD} cascade`)
}
