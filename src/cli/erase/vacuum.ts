import type { Pool } from 'pg'
import type { Output } from '../progress.ts'

/** What is in them is sealed, and never deleted; of all others, a new table is cleared unless it stands here. */
const NOT_CLEARED = ['event', 'log_digest', 'audit_event']

const TABLES = `
select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' and c.relname <> all($1)
order by 1`

const INSUFFICIENT_PRIVILEGE = '42501'

type Options = {
  readonly pool: Pool
  /** Of an embedded PostgreSQL. */
  readonly clearLog: (() => Promise<void>) | undefined
  readonly output: Output
}

/**
 * Writes the tables anew, without what was deleted from them, and begins a new file of the write-ahead log, so that the
 * files of the database hold nothing of it. Each table is locked while it is written.
 */
export const vacuum = async ({ pool, clearLog, output }: Options): Promise<void> => {
  const { rows } = await pool.query<{ name: string }>(TABLES, [NOT_CLEARED])
  for (const [n, { name }] of rows.entries()) {
    output.write(`clearing ${n + 1} of ${rows.length}: ${name}\n`)
    await pool.query(`vacuum (full, analyze) ${name}`)
  }
  // What the planner knows of frequent values.
  await pool.query('vacuum (full) pg_catalog.pg_statistic')
  await (clearLog ?? (() => clearLogAt(pool, output)))()
}

const clearLogAt = async (pool: Pool, output: Output) => {
  for (const step of ['checkpoint', 'select pg_switch_wal()', 'checkpoint'])
    await pool.query(step).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === INSUFFICIENT_PRIVILEGE)) throw error
      output.write(
        `The database does not let this user run "${step}": have its administrator run it, or its write-ahead log holds what was erased until it is done with.\n`,
      )
    })
}
