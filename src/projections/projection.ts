import type { EventType, ZapiniEvent } from '../domain/catalogue.ts'
import type { Recorded } from '../ports/event-store.ts'

export type RecordedOf<T extends EventType> = Recorded<Extract<ZapiniEvent, { type: T }>>

/** What one event does to one row: `evolve` gets the row as it is, if any, and gives the row as it becomes. */
export type Change<Row> = {
  readonly key: string
  evolve(row: Row | undefined, beside?: Row): Row | undefined
  /** The row as it is does not matter, so that it need not be read. */
  readonly blind?: true
  /** Key of another row that is looked at. */
  readonly beside?: string
}

/**
 * Takes away every row that has a value in a column, or gives the column another value in all of them (`to`); the column
 * needs an index.
 */
export type Sweep = { readonly column: string; readonly value: string; readonly to?: string }

/** A column's SQL type, with its constraints. */
type Columns<Row> = { readonly [C in keyof Row & string]: string }

/**
 * A read model: one table, made from events alone. It is told every event in order and may be thrown away and made
 * again at any time, so it knows no clock and no other table. Nor does it know positions, which differ from log to log;
 * only the index of the log, `audit_event`, keeps them, in the column `position`.
 */
export type Projection<Row extends object = object> = {
  /** Also the table's name. */
  readonly name: string
  /** Raised whenever rows would come out differently: the table is then made anew from the log. */
  readonly version: number
  /** The column that identifies a row: text or uuid. */
  readonly key: keyof Row & string
  readonly columns: Columns<Row>
  /** How long the table rests after a write while nobody waits for it, where that is longer than usual. */
  readonly restMs?: number
  /** Storage parameters of the table, as in `with (…)`. */
  readonly storage?: string
  /** What follows `create index on <table>`. */
  readonly indexes: readonly string[]
  readonly on: { readonly [T in EventType]?: (event: RecordedOf<T>) => readonly Change<Row>[] }
  /** Events that take away many rows at once, or move them elsewhere. */
  readonly sweeps?: {
    readonly [T in EventType]?: (event: RecordedOf<T>) => Sweep & { readonly column: keyof Row & string }
  }
}

/** Any projection, its row forgotten: what runs and rebuilds it works with. */
export type AnyProjection = Projection<Record<string, unknown>>

/** Helps to write a projection: infers nothing but checks everything against its row. */
export const projection = <Row extends object>(definition: Projection<Row>) => definition

/** A change to a row that must exist already; without it there is nothing to do. */
export const update = <Row>(key: string, evolve: (row: Row) => Row): Change<Row> => ({
  key,
  evolve: (row) => row && evolve(row),
})

/** Puts a row, whatever was there. */
export const put = <Row>(key: string, row: Row): Change<Row> => ({ key, evolve: () => row, blind: true })

/** Takes a row away, if it is there. */
export const remove = <Row>(key: string): Change<Row> => ({ key, evolve: () => undefined, blind: true })

type Handler<Row> = (event: Recorded) => readonly Change<Row>[]

/** Whether a projection has anything to do with an event, beside what it sweeps. */
export const concerns = <Row extends object>({ on }: Projection<Row>, { type }: Recorded): boolean =>
  type in on

/** The changes that an event means to a projection; undefined if it does not concern it. */
export const changesOf = <Row extends object>(
  { on }: Projection<Row>,
  event: Recorded,
): readonly Change<Row>[] | undefined => {
  // The catalogue ties each type to its data, which the compiler cannot follow through a lookup by name.
  const handler = (on as Readonly<Record<string, Handler<Row> | undefined>>)[event.type]
  return handler?.(event)
}

/** What an event sweeps away; most sweep nothing. */
export const sweepOf = <Row extends object>(
  { sweeps = {} }: Projection<Row>,
  event: Recorded,
): Sweep | undefined =>
  (sweeps as Readonly<Record<string, ((event: Recorded) => Sweep) | undefined>>)[event.type]?.(event)

/** The table of a projection, with all its indexes or some of them. */
export const createTable = <Row extends object>(
  { name, key, columns, storage, indexes: all }: Projection<Row>,
  schema: string,
  indexes: readonly string[] = all,
) => {
  const definitions = Object.entries<string>(columns).map(([column, type]) => `${column} ${type}`)
  return [
    `create table ${schema}.${name} (${[...definitions, `primary key (${key})`].join(', ')})${storage ? ` with (${storage})` : ''}`,
    ...indexes.map((index) => createIndex(name, schema, index)),
  ].join(';\n')
}

export const createIndex = (name: string, schema: string, index: string) =>
  `create index on ${schema}.${name} ${index}`

/** Tells a recorded event's type; the catalogue ties the type to its data. */
export const isOf = <T extends EventType>(event: Recorded, type: T): event is RecordedOf<T> =>
  event.type === type
