import type { Pool, PoolClient } from 'pg'
import { isUuid } from '../../domain/values.ts'
import type { Position } from '../../ports/event-store.ts'
import { openBeside, type Beside } from '../../projections/beside.ts'
import { SCRATCH as SCHEMA } from '../../projections/beside-tables.ts'
import { UnreadableEvent } from '../../projections/fold.ts'
import type { AnyProjection } from '../../projections/projection.ts'
import type { LogReader } from '../../read-log.ts'
import { collect, type Findings } from './findings.ts'
import { compareRows, differentColumns, typeOf, type DifferentRow, type Side } from './rows.ts'

const SORT_MEMORY = '64MB'
/** Live tables may hear of an erasure so much later than keys are gone. */
const HEARS_WITHIN = '1 minute'

export type Value = {
  readonly column: string
  readonly live: string | null
  readonly replayed: string | null
}
export type TableDifference =
  | { readonly kind: 'row missing' | 'row too many'; readonly key: string }
  | { readonly kind: 'row changed'; readonly key: string; readonly columns: readonly Value[] }
  | { readonly kind: 'table'; readonly what: string }

export type TableReport = {
  readonly table: string
  /** Of the log, where both were compared. */
  readonly position: Position
  readonly rows: number
  readonly differences: Findings<TableDifference>
}

type Options = {
  readonly pool: Pool
  /** As everybody reads it, but with nothing in it that cannot be opened. */
  readonly store: LogReader
  readonly projections: readonly AnyProjection[]
  /** So many differences of each table are named; the others are counted. */
  readonly max: number
  /** Texts may be anybody's words: only how long they are is shown, unless they are asked for. */
  readonly showValues: boolean
  readonly onProgress: (position: Position, head: Position, events: number) => void
  /** Whoever wants it to stop finds nothing of it left in the database. */
  readonly interrupted?: AbortSignal
}

/** Makes read models from the log in a schema of their own, and compares the live ones with them, row by row. */
export const verifyTables = async (options: Options): Promise<readonly TableReport[]> => {
  const { pool, store, projections, interrupted } = options
  const onProgress: Options['onProgress'] = (...progress) => {
    interrupted?.throwIfAborted()
    options.onProgress(...progress)
  }
  const open = () => openBeside({ pool, store, projections, schema: SCHEMA, indexes: 'none', onProgress })
  // What an earlier run left is no proof of anything.
  await (await open()).drop()
  const beside = await open()
  try {
    return await compareAll(options, beside)
  } catch (error) {
    if (!(error instanceof UnreadableEvent)) throw error
    const differences = collect<TableDifference>(1)
    differences.add({ kind: 'table', what: `the log cannot be replayed: ${error.message}` })
    return projections.map(({ name }) => ({
      table: name,
      position: beside.position(),
      rows: 0,
      differences: differences.findings(),
    }))
  } finally {
    await beside.drop()
  }
}

const compareAll = async (options: Options, beside: Beside) => {
  const { pool, store, projections } = options
  const { rows } = await pool.query<{ now: string }>('select now()::text as now')
  const since = rows[0]?.now ?? ''
  // Most of the log, before anything is held for it.
  const checkpoints = await checkpointsOf(pool, projections)
  const least = [...checkpoints.values()].reduce(
    (so, { position }) => (position < so ? position : so),
    await store.head(),
  )
  await beside.readOn(least)
  const reports = await compareAtOnce({ ...options, since }, beside)
  return projections.flatMap(({ name }) => reports.get(name) ?? [])
}

/** With the time at which the run began, as the database has it. */
type Timed = Options & { readonly since: string }

/**
 * All tables as they are at one moment, which is seen through one transaction, while everybody writes on. Each is then
 * somewhere in the log, and the tables beside are read on to where it is, those first that are least far.
 */
const compareAtOnce = async (options: Timed, beside: Beside) => {
  const { pool, projections } = options
  const reports = new Map<string, TableReport>()
  const there = [...(await checkpointsOf(pool, projections))].filter(([, { isThere }]) => isThere)
  await reading(pool, async (client) => {
    // Before anything is seen: nobody is to put other tables in their places meanwhile.
    if (there.length > 0)
      await client.query(
        `lock table ${there.map(([name]) => `public.${name}`).join(', ')} in access share mode`,
      )
    const checkpoints = await checkpointsOf(client, projections)
    const at = (name: string) => checkpoints.get(name)?.position ?? 0n
    const inOrder = projections.toSorted((one, other) => (at(one.name) < at(other.name) ? -1 : 1))
    for (const projection of inOrder) {
      const checkpoint = checkpoints.get(projection.name)
      reports.set(projection.name, await compareOne(options, beside, client, projection, checkpoint))
    }
  })
  return reports
}

const compareOne = async (
  { pool, store, max, showValues, since, interrupted }: Timed,
  beside: Beside,
  client: PoolClient,
  projection: AnyProjection,
  checkpoint: Checkpoint | undefined,
): Promise<TableReport> => {
  interrupted?.throwIfAborted()
  const { name, version } = projection
  const differences = collect<TableDifference>(max)
  const position = checkpoint?.position ?? 0n
  const report = (rows: number): TableReport => ({
    table: name,
    position,
    rows,
    differences: differences.findings(),
  })
  const cannot = (what: string) => {
    differences.add({ kind: 'table', what })
    return report(0)
  }
  if (!checkpoint?.isThere) return cannot('is not there')
  if (checkpoint.version !== version)
    return cannot(`was made by version ${checkpoint.version} of its read model; this program has ${version}`)
  const head = await store.head()
  if (position > head)
    return cannot(`knows the log up to position ${position}, and the log ends at position ${head}`)
  await beside.readOn(position)
  if (beside.position() > position) return cannot('was made anew meanwhile')

  const erased = await erasedSince(pool, since)
  const tell = (row: DifferentRow) => {
    if (!isOf(row, erased)) differences.add(differenceOf(row, projection, showValues))
  }
  const live: Side = { client, table: `public.${name}` }
  const rows = await reading(pool, (other) =>
    compareRows(projection, live, { client: other, table: `${SCHEMA}.${name}` }, tell),
  )
  return report(rows)
}

/** Ids of whom keys were destroyed: what the log does not say any more, a table may still know for a moment. */
const erasedSince = async (pool: Pool, since: string): Promise<ReadonlySet<string>> => {
  const { rows } = await pool.query<{ owner: string }>(
    'select distinct owner from sealing_key where destroyed_at > $1::timestamptz - $2::interval',
    [since, HEARS_WITHIN],
  )
  return new Set(rows.map(({ owner }) => owner))
}

const isOf = ({ live, replayed }: DifferentRow, owners: ReadonlySet<string>) =>
  [live, replayed].some((side) => side && [...side.values()].some((value) => value && owners.has(value)))

const differenceOf = (
  row: DifferentRow,
  { columns }: AnyProjection,
  showValues: boolean,
): TableDifference => {
  const { key, live, replayed } = row
  if (!live) return { kind: 'row missing', key }
  if (!replayed) return { kind: 'row too many', key }
  const shown = (column: string, value: string | null | undefined) =>
    value === null || value === undefined || showValues || isHarmless(typeOf(columns[column]), value)
      ? (value ?? null)
      : `(${value.length} characters)`
  return {
    kind: 'row changed',
    key,
    columns: differentColumns(row).map((column) => ({
      column,
      live: shown(column, live.get(column)),
      replayed: shown(column, replayed.get(column)),
    })),
  }
}

const WORDLESS = ['uuid', 'smallint', 'integer', 'bigint', 'boolean', 'timestamptz', 'uuid[]']
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/

/** Nobody's words: a number, a time, an id. */
const isHarmless = (type: string, value: string) =>
  WORDLESS.includes(type) || TIME.test(value) || isUuid(value)

type Checkpoint = { readonly version: number; readonly position: Position; readonly isThere: boolean }

const checkpointsOf = async (client: Pool | PoolClient, projections: readonly AnyProjection[]) => {
  const { rows } = await client.query<{ name: string; version: number; position: string; there: boolean }>(
    `select name, version, position::text, to_regclass('public.' || name) is not null as there
     from checkpoint where name = any($1)`,
    [projections.map(({ name }) => name)],
  )
  return new Map<string, Checkpoint>(
    rows.map(({ name, version, position, there }) => [
      name,
      { version, position: BigInt(position), isThere: there },
    ]),
  )
}

/** Reads whole tables, all as they are at one moment. */
const reading = async <T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> => {
  const client = await pool.connect()
  try {
    await client.query(
      `begin isolation level repeatable read read only; set local enable_seqscan = on; set local work_mem = '${SORT_MEMORY}'`,
    )
    return await work(client)
  } finally {
    await client.query('rollback').catch(() => {})
    client.release()
  }
}
