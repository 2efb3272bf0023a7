import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import type { Position } from '../ports/event-store.ts'
import type { LogReader } from '../read-log.ts'
import { inTransaction } from '../transaction.ts'
import { openBeside, type Beside } from './beside.ts'
import { REBUILD as SCHEMA } from './beside-tables.ts'
import type { AnyProjection } from './projection.ts'
import { CheckpointMoved } from './table.ts'

/** What comes while so many events are read is read with everything locked. */
const CLOSE_EVENTS = 500
const CATCH_UPS_MAX = 20
/** Those who write wait so long at most, for a lock. */
const WRITERS_WAIT = '3s'
/** Those who read wait so long at most; below the second after which PostgreSQL ends somebody whom it holds deadlocked. */
const READERS_WAIT = '400ms'
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 10_000
/** Somebody had a lock for too long, or made the same table. */
const BUSY = ['55P03', '57014', '40P01', '42P07']
const DEPENDENT_OBJECTS = '2BP01'

export type RebuildStage = 'replaying' | 'indexes' | 'swapping' | 'waiting'

type Options = {
  readonly pool: Pool
  readonly store: LogReader
  /** Told after each batch how far it is, and how many events it has read. */
  readonly onProgress?: (position: Position, head: Position, events: number) => void
  readonly onStage?: (stage: RebuildStage) => void
}

/**
 * Makes read models anew from the log, beside the live tables, all in one pass, and puts them in their places in one
 * transaction. The live tables are served meanwhile. What a run left that was ended by force is gone on with. Answers the
 * number of events read. Throws SchemaTaken.
 */
export const rebuild = async (
  projections: readonly AnyProjection[],
  { pool, store, onProgress = () => {}, onStage = () => {} }: Options,
): Promise<number> => {
  let count = 0
  for (let pauseMs = RETRY_MIN_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS)) {
    const before = count
    const note = (position: Position, head: Position, events: number) => {
      count = before + events
      onProgress(position, head, count)
    }
    const beside = await openBeside({
      pool,
      store,
      projections,
      schema: SCHEMA,
      indexes: 'after',
      onProgress: note,
    })
    try {
      onStage('replaying')
      await catchUp(beside, store, () => count)
      onStage('indexes')
      await beside.addIndexes()
      await catchUp(beside, store, () => count)
      onStage('swapping')
      if (await swap(beside, pool, projections)) return count
      onStage('waiting')
    } catch (error) {
      // Statements of a run that was killed may end after it.
      if (!(error instanceof CheckpointMoved)) throw error
    } finally {
      await beside.close()
    }
    await sleep(pauseMs)
  }
}

/** Reads on until little comes meanwhile. */
const catchUp = async (beside: Beside, store: LogReader, count: () => number) => {
  for (let n = 0; n < CATCH_UPS_MAX; n++) {
    const before = count()
    await beside.readOn(await store.head())
    if (count() - before < CLOSE_EVENTS) return
  }
}

/** Puts the tables in the places of the live ones. Answers false if somebody is in the way. */
const swap = async (beside: Beside, pool: Pool, projections: readonly AnyProjection[]): Promise<boolean> => {
  try {
    await inTransaction(pool, (client) => swapIn(beside, client, projections))
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (BUSY.includes(code)) return false
    throw code === DEPENDENT_OBJECTS ? inTheWay(error) : error
  }
}

/** Somebody has built on a table what would go with it, such as a view. */
const inTheWay = (error: unknown) => {
  const detail = error instanceof Error && 'detail' in error ? `: ${String(error.detail)}` : ''
  return new Error(
    `A table cannot be replaced while something depends on it${detail}. Drop that, run the same command again, which goes on where it stopped, and create it anew.`,
    { cause: error },
  )
}

/** Statements that give the new tables the rights that others were given on the live ones. */
const GRANTS = `
  select format('grant %s on ${SCHEMA}.%I to %s', privilege_type, relname,
                case grantee when 0 then 'public' else grantee::regrole::text end) as statement
  from pg_class cross join aclexplode(relacl)
  where relnamespace = 'public'::regnamespace and relname = any($1) and grantee <> relowner`

const swapIn = async (beside: Beside, client: PoolClient, projections: readonly AnyProjection[]) => {
  const names = projections.map(({ name }) => name)
  const { rows: live } = await client.query<{ name: string }>(
    `select name from unnest($1::text[]) name where to_regclass('public.' || name) is not null`,
    [names],
  )
  const lock = (mode: string, wait: string) =>
    live.length === 0
      ? undefined
      : client.query(`
          set local lock_timeout = '${wait}'; set local statement_timeout = '${wait}';
          lock table ${live.map(({ name }) => `public.${name}`).join(', ')} in ${mode} mode;
          set local lock_timeout to default; set local statement_timeout to default`)

  // From here on the live tables stand still; what they know already, the new ones must know too. A table is locked
  // before its checkpoint, as whoever keeps it up to date does, or each would wait for the other.
  await lock('share row exclusive', WRITERS_WAIT)
  const { rows } = await client.query<{ position: string }>(
    'select position::text from checkpoint where name = any($1) for update',
    [names],
  )
  for (const { position } of rows) await beside.readOn(BigInt(position), client)
  const { rows: grants } = await client.query<{ statement: string }>(GRANTS, [names])
  if (grants.length > 0) await client.query(grants.map(({ statement }) => statement).join(';'))
  await lock('access exclusive', READERS_WAIT)
  for (const { name, version } of projections) {
    await client.query(`drop table if exists public.${name}; alter table ${SCHEMA}.${name} set schema public`)
    await client.query(
      `insert into checkpoint (name, version, position) values ($1, $2, $3)
       on conflict (name) do update set version = $2, position = $3, updated_at = now()`,
      [name, version, String(beside.position())],
    )
  }
  await client.query(`drop schema ${SCHEMA} cascade`)
}
