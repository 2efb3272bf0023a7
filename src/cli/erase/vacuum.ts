import type { Pool } from 'pg'
import type { Output } from '../progress.ts'

/** What is in them is sealed, and never deleted; of all others, a new table is cleared unless it stands here. */
const NOT_CLEARED = ['event', 'log_digest', 'audit_event']

const TABLES = `
select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' and c.relname <> all($1)
order by 1`

/** What the planner knows of a table and its indexes: frequent values, which analysing leaves alone where no row is left. */
const FORGET = `
select pg_clear_attribute_stats(s.schemaname, s.tablename, s.attname, s.inherited)
from pg_stats s join pg_namespace n on n.nspname = s.schemaname
join pg_class c on c.relnamespace = n.oid and c.relname = s.tablename left join pg_index i on i.indexrelid = c.oid
where coalesce(i.indrelid, c.oid) = $1::regclass`

const INSUFFICIENT_PRIVILEGE = '42501'
const UNDEFINED_FUNCTION = '42883'

type Options = {
  readonly pool: Pool
  /** Of an embedded PostgreSQL. */
  readonly clearLog: (() => Promise<void>) | undefined
  readonly output: Output
  readonly interrupted: AbortSignal
}

/**
 * Writes the tables anew, without what was deleted from them, and begins a new file of the write-ahead log, so that the
 * files of the database hold nothing of it. Each table is locked while it is written.
 */
export const vacuum = async ({ pool, clearLog, output, interrupted }: Options): Promise<void> => {
  const { rows } = await pool.query<{ name: string }>(TABLES, [NOT_CLEARED])
  let canForget = true
  for (const [n, { name }] of rows.entries()) {
    interrupted.throwIfAborted()
    output.write(`clearing ${n + 1} of ${rows.length}: ${name}\n`)
    await pool.query(`vacuum (full) ${name}`)
    await pool.query(FORGET, [name]).catch(unless(UNDEFINED_FUNCTION, () => (canForget = false)))
    await pool.query(`analyze ${name}`)
  }
  if (!canForget)
    output.write(
      'A PostgreSQL before 18 may keep frequent values of tables that are empty now, in its table pg_statistic, until they have rows again.\n',
    )
  await pool.query('vacuum (full) pg_catalog.pg_statistic')
  await (clearLog ?? (() => clearLogAt(pool, output)))()
}

const clearLogAt = async (pool: Pool, output: Output) => {
  for (const step of ['checkpoint', 'select pg_switch_wal()', 'checkpoint'])
    await pool
      .query(step)
      .catch(
        unless(INSUFFICIENT_PRIVILEGE, () =>
          output.write(
            `The database does not let this user run "${step}": have its administrator run it, or its write-ahead log holds what was erased until it is done with.\n`,
          ),
        ),
      )
}

/** Throws an error on, unless it is the one that is expected. */
const unless = (code: string, then: () => void) => (error: unknown) => {
  if (!(error instanceof Error && 'code' in error && error.code === code)) throw error
  then()
}
