import type { PoolClient } from 'pg'
import type { AnyProjection } from '../../projections/projection.ts'

const PAGE = 5000
/** Rows that differ are looked at so many at once. */
const DETAILS = 500

/** One side of a comparison: a table, seen through a transaction. */
export type Side = { readonly client: PoolClient; readonly table: string }

/** A row that is not the same on both sides, each column as text; undefined where there is no such row. */
export type DifferentRow = {
  readonly key: string
  readonly live: ReadonlyMap<string, string | null> | undefined
  readonly replayed: ReadonlyMap<string, string | null> | undefined
}

type Row = { readonly key: string; readonly hash: string }

/** The rows of a table by their keys' bytes, each as a hash of all its columns. */
async function* rowsOf({ client, table }: Side, key: string): AsyncGenerator<Row> {
  await client.query(
    `declare compared no scroll cursor for
     select ${key}::text as key, md5(t::text) as hash from ${table} t order by ${key}::text collate "C"`,
  )
  for (;;) {
    const { rows } = await client.query<Row>(`fetch ${PAGE} from compared`)
    if (rows.length === 0) break
    yield* rows
  }
  await client.query('close compared')
}

/** Rows by key, with their columns in one form, however their JSON is spelled. */
const columnsOf = async (
  { client, table }: Side,
  { key, columns }: AnyProjection,
  keys: readonly string[],
) => {
  const { rows } = await client.query<{ key: string; name: string; value: string | null }>(
    `select t.${key}::text as key, c.key as name, c.value
     from ${table} t cross join jsonb_each_text(to_jsonb(t)) c where t.${key} = any($1::${typeOf(columns[key])}[])`,
    [keys],
  )
  const found = new Map<string, Map<string, string | null>>()
  for (const { key, name, value } of rows) {
    const row = found.get(key) ?? new Map<string, string | null>()
    found.set(key, row.set(name, value))
  }
  return found
}

export const typeOf = (definition: string | undefined) => definition?.split(' ', 1)[0] ?? 'text'

const isBefore = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other)) < 0

type Pair = { readonly key: string; readonly live?: Row; readonly replayed?: Row }

/** The rows of both sides, those with the same key together. */
async function* pairsOf(lives: AsyncGenerator<Row>, replays: AsyncGenerator<Row>): AsyncGenerator<Pair> {
  let [one, other] = [await lives.next(), await replays.next()]
  for (;;) {
    if (one.done && other.done) return
    if (!one.done && !other.done && one.value.key === other.value.key) {
      yield { key: one.value.key, live: one.value, replayed: other.value }
      ;[one, other] = [await lives.next(), await replays.next()]
    } else if (!one.done && (other.done || isBefore(one.value.key, other.value.key))) {
      yield { key: one.value.key, live: one.value }
      one = await lives.next()
    } else if (!other.done) {
      yield { key: other.value.key, replayed: other.value }
      other = await replays.next()
    }
  }
}

/** Compares a table with the one that was made from the log. Answers how many rows the live one has. */
export const compareRows = async (
  projection: AnyProjection,
  live: Side,
  replayed: Side,
  tell: (row: DifferentRow) => void,
): Promise<number> => {
  let count = 0
  let differing: string[] = []

  const look = async () => {
    const lives = await columnsOf(live, projection, differing)
    const replays = await columnsOf(replayed, projection, differing)
    for (const key of differing) {
      const row = { key, live: lives.get(key), replayed: replays.get(key) }
      if (!row.live || !row.replayed || differentColumns(row).length > 0) tell(row)
    }
    differing = []
  }

  for await (const pair of pairsOf(rowsOf(live, projection.key), rowsOf(replayed, projection.key))) {
    if (pair.live) count++
    if (pair.live?.hash !== pair.replayed?.hash) differing.push(pair.key)
    if (differing.length === DETAILS) await look()
  }
  if (differing.length > 0) await look()
  return count
}

/** Names of the columns that differ, where both sides have the row. One side may lack a column. */
export const differentColumns = ({ live, replayed }: DifferentRow): string[] =>
  live && replayed
    ? [...new Set([...live.keys(), ...replayed.keys()])].filter(
        (name) => live.get(name) !== replayed.get(name),
      )
    : []
