import type { Pool, PoolClient } from 'pg'
import { isSwept, sweptRow } from './fold.ts'
import { keepRows } from './kept-rows.ts'
import type { Projection, Sweep } from './projection.ts'

/** Rows kept in memory. The runner is the only writer, so that what it wrote last is what stands in the table. */
const BYTES_KEPT = 8_000_000
/** What a row takes in memory, beside as much as it has letters as JSON. */
const ROW_BYTES = 500

type Keyed<Row> = Map<string, Row | undefined>

/** Somebody else moved the checkpoint, or another table stands there: what is remembered here cannot be trusted. */
export class CheckpointMoved extends Error {
  override name = 'CheckpointMoved'
}

type Options = {
  readonly schema: string
  /** The very table, which another one may replace. */
  readonly oid: number
  /** Nothing stands in it yet. */
  readonly empty: boolean
  readonly bytesKept?: number
}

/**
 * The rows of one projection, read and written in batches, each write together with the checkpoint, which is kept in a
 * table of the same schema.
 */
export const projectionTable = <Row extends object>(
  pool: Pool,
  projection: Projection<Row>,
  { schema, oid, empty, bytesKept = BYTES_KEPT }: Options,
) => {
  const { name, key } = projection
  const columns = Object.keys(projection.columns)
  const table = `${schema}.${name}`
  const types: Readonly<Record<string, string>> = projection.columns
  const typeOf = (column: string) => types[column]?.split(' ', 1)[0] ?? 'text'
  const keyType = typeOf(key)
  const rows = keepRows<Row>(bytesKept)
  /** Whether all rows of the table are in memory, so that one not found there does not exist. */
  const isComplete = () => empty && !rows.hasForgotten()

  const assignments = columns
    .filter((column) => column !== key)
    .map((column) => `${column} = excluded.${column}`)
  const saving = (sweep?: Sweep) => `
    with moved as (
      update ${schema}.checkpoint set position = $1::bigint, updated_at = now()
      where name = $2 and position = $3::bigint and to_regclass('${table}') = $6::oid returning 1
    ), gone as (
      delete from ${table} where ${key} = any($4::${keyType}[]) and exists (select 1 from moved)
    ), kept as (
      insert into ${table} (${columns.join(', ')})
      select ${columns.join(', ')} from json_populate_recordset(null::${table}, $5::json) where exists (select 1 from moved)
      on conflict (${key}) do ${assignments.length > 0 ? `update set ${assignments.join(', ')}` : 'nothing'}
    )${sweep ? sweeping(sweep) : ''}
    select count(*)::integer as moved from moved`
  /** One statement may change a row only once: those that are written anyway are left alone. */
  const sweeping = ({ column, to }: Sweep) => `, swept as (
      ${to === undefined ? `delete from ${table}` : `update ${table} set ${column} = $8::${typeOf(column)}`}
      where ${column} = $7::${typeOf(column)} and exists (select 1 from moved)
        and not ${key} = any($4::${keyType}[]) and ${key} not in (select ${key} from json_populate_recordset(null::${table}, $5::json))
    )`
  const save = saving()

  return {
    /** The present rows for some keys. */
    async load(keys: Iterable<string>, client: Pool | PoolClient = pool): Promise<Keyed<Row>> {
      const found: Keyed<Row> = new Map()
      const missing: string[] = []
      for (const wanted of new Set(keys)) {
        const row = rows.get(wanted)
        found.set(wanted, row)
        if (!row && !isComplete()) missing.push(wanted)
      }
      if (missing.length === 0) return found
      const result = await client.query<Row & { projection_key: string }>({
        name: `load-${table}`,
        text: `select ${columns.join(', ')}, ${key}::text as projection_key from ${table} where ${key} = any($1::${keyType}[])`,
        values: [missing],
      })
      for (const { projection_key, ...row } of result.rows) found.set(projection_key, row as unknown as Row)
      return found
    },

    /**
     * Writes changed rows (undefined deletes), sweeps, and moves the checkpoint, all or nothing. Throws CheckpointMoved.
     */
    async save(
      changed: Keyed<Row>,
      [from, to]: readonly [from: bigint, to: bigint],
      sweep?: Sweep,
      client: Pool | PoolClient = pool,
    ) {
      const kept = new Map<string, string>()
      const gone: string[] = []
      for (const [id, row] of changed) {
        if (row) kept.set(id, JSON.stringify(row))
        else gone.push(id)
      }
      const { rows: result } = await client.query<{ moved: number }>({
        name: `save-${table}${sweep ? `-${sweep.to === undefined ? 'without' : 'with'}-${sweep.column}` : ''}`,
        text: sweep ? saving(sweep) : save,
        values: [
          String(to),
          name,
          String(from),
          gone,
          `[${[...kept.values()].join()}]`,
          oid,
          ...(sweep ? [sweep.value] : []),
          ...(sweep?.to === undefined ? [] : [sweep.to]),
        ],
      })
      if (result[0]?.moved !== 1) throw new CheckpointMoved(`${table} is no longer as it was at ${from}`)
      for (const id of gone) rows.remove(id)
      if (sweep)
        rows.replace(
          (row) => isSwept(row, sweep),
          (row) => sweptRow(row, sweep),
        )
      for (const [id, row] of changed) if (row) rows.keep(id, row, (kept.get(id)?.length ?? 0) + ROW_BYTES)
    },
  }
}
