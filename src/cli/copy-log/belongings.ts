import type { Pool, PoolClient } from 'pg'
import { projections } from '../../projections/index.ts'

const PAGE = 200
/** Made from the log, part of a log, or of the database itself. */
const STAYING = [
  ...Object.values(projections).map(({ name }) => name),
  ...[
    'event',
    'checkpoint',
    'followed_log',
    'log_copy',
    'log_digest',
    'kysely_migration',
    'kysely_migration_lock',
  ],
]

/** In the order in which they were made, so that what refers to rows comes after them. */
const TABLES = `
select quote_ident(relname) as name from pg_class
where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> all($1) order by oid`

const SEQUENCES = `
select format('%I.%I', s.schemaname, s.sequencename) as name, s.last_value::text
from pg_sequences s
where s.schemaname = 'public' and s.last_value is not null and not exists (
  select from pg_depend d join pg_class t on t.oid = d.refobjid
  where d.objid = format('%I.%I', s.schemaname, s.sequencename)::regclass and d.deptype in ('a', 'i')
    and t.relname = any($1))`

/**
 * Copies what a database knows besides its log and what is made from it: numbers given, deliveries that are still to be
 * made, the keys of the log, simulated phones. Answers how many rows. Rows travel as text, so that nothing is rounded on the way.
 */
export const copyBelongings = async (source: Pool, target: PoolClient): Promise<number> => {
  const client = await source.connect()
  let count = 0
  try {
    await client.query('begin isolation level repeatable read read only')
    const { rows: tables } = await client.query<{ name: string }>(TABLES, [STAYING])
    for (const { name } of tables) {
      // The table of a read model that there is no more.
      if (!(await isThere(target, name))) continue
      await client.query(`declare belongings cursor for select to_json(t)::text as row from public.${name} t`)
      for (;;) {
        const { rows } = await client.query<{ row: string }>(`fetch ${PAGE} from belongings`)
        if (rows.length === 0) break
        await target.query(
          `insert into public.${name} overriding system value
           select * from json_populate_recordset(null::public.${name}, $1::json)`,
          [`[${rows.map(({ row }) => row).join()}]`],
        )
        count += rows.length
      }
      await client.query('close belongings')
    }
    const { rows: sequences } = await client.query<{ name: string; last_value: string }>(SEQUENCES, [STAYING])
    for (const { name, last_value } of sequences)
      await target.query('select setval($1::regclass, $2::bigint)', [name, last_value])
    await client.query('commit')
  } finally {
    client.release(true)
  }
  return count
}

const isThere = async (target: PoolClient, name: string): Promise<boolean> => {
  const { rows } = await target.query<{ there: boolean }>(
    `select to_regclass('public.' || $1) is not null as there`,
    [name],
  )
  return rows[0]?.there === true
}
