import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { Unopened, type EventStore, type Position } from '../../ports/event-store.ts'
import { openBeside, type Beside } from '../../projections/beside.ts'
import { SCRATCH as SCHEMA } from '../../projections/beside-tables.ts'
import { UnreadableEvent } from '../../projections/fold.ts'
import type { AnyProjection } from '../../projections/projection.ts'
import { collect, type Findings } from './findings.ts'
import { compareRows, differentColumns, typeOf, type DifferentRow, type Side } from './rows.ts'

const SORT_MEMORY = '64MB'
/** Rows that differ are compared once more, when live tables have caught up with the log, or have had so much time to. */
const SETTLE_MS = 5000
const LOOK_EVERY_MS = 100

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
  /** As everybody reads it. */
  readonly store: EventStore
  readonly projections: readonly AnyProjection[]
  /** So many differences of each table are named; the others are counted. */
  readonly max: number
  /** Texts may be anybody's words: only how long they are is shown, unless they are asked for. */
  readonly showValues: boolean
  readonly settleMs?: number
  readonly onProgress: (position: Position, head: Position, events: number) => void
}

/** Makes read models from the log in a schema of their own, and compares the live ones with them, row by row. */
export const verifyTables = async (options: Options): Promise<readonly TableReport[]> => {
  const { pool, store, projections, onProgress } = options
  const open = () => openBeside({ pool, store, projections, schema: SCHEMA, indexes: 'none', onProgress })
  // What an earlier run left is no proof of anything.
  await (await open()).drop()
  const beside = await open()
  try {
    return await compareAll(options, beside)
  } catch (error) {
    if (!(error instanceof UnreadableEvent) && !(error instanceof Unopened)) throw error
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
  // Most of the log, before anything is held for it.
  const checkpoints = await checkpointsOf(pool, projections)
  const least = [...checkpoints.values()].reduce(
    (so, { position }) => (position < so ? position : so),
    await store.head(),
  )
  await beside.readOn(least)
  const first = await compareAtOnce(options, beside, projections)
  const differing = projections.filter(({ name }) => (first.get(name)?.keys.size ?? 0) > 0)
  if (differing.length > 0) await settle(options, differing)
  // What is erased meanwhile, the log says no more; the live table hears of it a little later.
  const second = await compareAtOnce(options, beside, differing, first)
  return projections.flatMap(({ name }) => (second.get(name) ?? first.get(name))?.report ?? [])
}

const settle = async (
  { pool, store, settleMs = SETTLE_MS }: Options,
  projections: readonly AnyProjection[],
) => {
  const head = await store.head()
  const until = performance.now() + settleMs
  const isBehind = async () =>
    [...(await checkpointsOf(pool, projections)).values()].some(({ position }) => position < head)
  while (performance.now() < until && (await isBehind())) await sleep(LOOK_EVERY_MS)
}

/** `keys` are those of all rows that differ. */
type Compared = { readonly report: TableReport; readonly keys: ReadonlySet<string> }
type AllCompared = ReadonlyMap<string, Compared>

/**
 * All tables as they are at one moment, which is seen through one transaction, while everybody writes on. Each is then
 * somewhere in the log, and the tables beside are read on to where it is, those first that are least far. Only rows count
 * that differed before, if there is a before.
 */
const compareAtOnce = async (
  options: Options,
  beside: Beside,
  projections: readonly AnyProjection[],
  before?: AllCompared,
): Promise<AllCompared> => {
  const compared = new Map<string, Compared>()
  const there = [...(await checkpointsOf(options.pool, projections))].filter(([, { isThere }]) => isThere)
  await reading(options.pool, async (client) => {
    // Before anything is seen: nobody is to put other tables in their places meanwhile.
    if (there.length > 0)
      await client.query(
        `lock table ${there.map(([name]) => `public.${name}`).join(', ')} in access share mode`,
      )
    const checkpoints = await checkpointsOf(client, projections)
    const at = (name: string) => checkpoints.get(name)?.position ?? 0n
    const inOrder = projections.toSorted((one, other) => (at(one.name) < at(other.name) ? -1 : 1))
    for (const projection of inOrder) {
      const found = await compareOne(options, beside, {
        client,
        projection,
        checkpoint: checkpoints.get(projection.name),
        before: before?.get(projection.name),
      })
      compared.set(projection.name, found)
    }
  })
  return compared
}

type Wanted = {
  readonly client: PoolClient
  readonly projection: AnyProjection
  readonly checkpoint: Checkpoint | undefined
  readonly before: Compared | undefined
}

const compareOne = async (
  { pool, store, max, showValues }: Options,
  beside: Beside,
  { client, projection, checkpoint, before }: Wanted,
): Promise<Compared> => {
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
    return { report: report(0), keys: new Set<string>() }
  }
  if (!checkpoint?.isThere) return cannot('is not there')
  if (checkpoint.version !== version)
    return cannot(`was made by version ${checkpoint.version} of its read model; this program has ${version}`)
  const head = await store.head()
  if (position > head)
    return cannot(`knows the log up to position ${position}, and the log ends at position ${head}`)
  // It has not moved since, or by less than others had.
  if (before && beside.position() > position) return before
  await beside.readOn(position)
  if (beside.position() > position) return cannot('was made anew meanwhile')

  const keys = new Set<string>()
  const tell = (row: DifferentRow) => {
    if (before && !before.keys.has(row.key)) return
    keys.add(row.key)
    differences.add(differenceOf(row, projection, showValues))
  }
  const live: Side = { client, table: `public.${name}` }
  const rows = await reading(pool, (other) =>
    compareRows(projection, live, { client: other, table: `${SCHEMA}.${name}` }, tell),
  )
  return { report: report(rows), keys }
}

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
const TIME_OR_ID = /^(\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

/** Nobody's words: a number, a time, an id. */
const isHarmless = (type: string, value: string) => WORDLESS.includes(type) || TIME_OR_ID.test(value)

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
