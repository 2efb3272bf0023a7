import type { Pool, PoolClient } from 'pg'
import { upcast } from '../domain/catalogue.ts'
import type { Position, Recorded } from '../ports/event-store.ts'
import { readLog, type LogReader } from '../read-log.ts'
import { lockSchema, openTables, type OpenTable } from './beside-tables.ts'
import { applyChanges, keysOf, pendingChanges, segmentsOf, UnreadableEvent } from './fold.ts'
import type { AnyProjection } from './projection.ts'
import { projectionTable } from './table.ts'

/** The more events come at once, the more of them change the same row, and the fewer statements there are. */
const AT_ONCE = { events: 5000, batches: 10 }
/** Tables that are ready with a batch begin with the next one, and wait then for the others. */
const BATCHES_AT_ONCE = 2
/** Tables that are written at once; this process keeps one processor busy by itself. */
const WRITES_AT_ONCE = 3
const BYTES_KEPT = 128_000_000

export type BesideOptions = {
  readonly pool: Pool
  readonly store: LogReader
  readonly projections: readonly AnyProjection[]
  /** Where the tables are made. One run at a time has it. */
  readonly schema: string
  /** When those are made that serve reading: with the tables, by `addIndexes`, or never. */
  readonly indexes: 'at once' | 'after' | 'none'
  /** Rows kept in memory, of all tables together. */
  readonly bytesKept?: number
  /** Told after each batch how far it is, where it is going to, and how many events it has read. */
  readonly onProgress?: (position: Position, target: Position, events: number) => void
}

/** Read models made from the log beside the live ones, in a schema of their own, all in one pass. */
export type Beside = {
  /** All tables know everything up to here. */
  position(): Position
  /**
   * Reads on up to and with a position; through a client, inside its transaction. After a failure, or when the
   * transaction is rolled back, the tables have to be opened again.
   */
  readOn(target: Position, client?: PoolClient): Promise<void>
  /** Those that are there already are left alone. */
  addIndexes(): Promise<void>
  /** Leaves the tables as they are: who opens them again goes on there. */
  close(): Promise<void>
  /** Takes the tables away, and closes. */
  drop(): Promise<void>
}

/**
 * Opens the tables of projections in a schema. Those that an earlier run made by the same definitions are gone on with,
 * whatever ended it; all others are taken away. Throws SchemaTaken.
 */
export const openBeside = async (options: BesideOptions): Promise<Beside> => {
  const unlock = await lockSchema(options.pool, options.schema)
  try {
    return await openLocked(options, unlock)
  } catch (error) {
    await unlock()
    throw error
  }
}

const openLocked = async (options: BesideOptions, unlock: () => Promise<void>): Promise<Beside> => {
  const { pool, store, projections, schema, indexes, bytesKept = BYTES_KEPT, onProgress = () => {} } = options
  const tables = await openTables({ pool, schema, projections, indexed: indexes === 'at once' }, store)
  const parts = tables.map((table) => createPart(pool, table, Math.ceil(bytesKept / tables.length)))
  let count = 0

  const position = () =>
    parts.map((part) => part.position()).reduce((least, one) => (one < least ? one : least))

  const readOn = async (target: Position, client?: PoolClient) => {
    const inTurn = atMost(client ? 1 : WRITES_AT_ONCE)
    const writing: Promise<unknown>[] = []
    try {
      for await (const batch of readLog(store, position(), target, AT_ONCE)) {
        const events = newest(batch)
        const written = Promise.all(parts.map((part) => part.write(events, client ?? pool, inTurn)))
        written.catch(() => {})
        writing.push(written)
        if (writing.length === BATCHES_AT_ONCE) await writing.shift()
        count += batch.length
        onProgress(position(), target, count)
      }
      await Promise.all(writing)
      onProgress(position(), target, count)
    } finally {
      // Whatever comes next must find nothing on its way.
      await Promise.allSettled(parts.map((part) => part.written()))
    }
  }

  return {
    position,
    readOn,
    addIndexes: async () => {
      if (indexes !== 'none') for (const table of tables) await table.addIndexes()
    },
    close: unlock,
    drop: async () => {
      await pool.query(`drop schema if exists ${schema} cascade`)
      await unlock()
    },
  }
}

type InTurn = <T>(work: () => Promise<T>) => Promise<T>

/** One of the tables, which takes batch after batch. */
const createPart = (pool: Pool, open: OpenTable, bytesKept: number) => {
  const { projection } = open
  const table = projectionTable(pool, projection, { ...open, bytesKept })
  let { position } = open
  let writing: Promise<void> = Promise.resolve()

  const apply = async (batch: readonly Recorded[], client: Pool | PoolClient) => {
    const first = batch.findIndex((event) => event.position > position)
    if (first < 0) return
    for (const { events: some, sweep } of segmentsOf(projection, batch.slice(first))) {
      const last = some.at(-1)?.position
      if (last === undefined) continue
      if (sweep) await open.indexFor(sweep.column, client)
      const pending = pendingChanges(projection, some)
      const rows = await table.load(keysOf(pending), client)
      await table.save(applyChanges(projection, pending, rows, sweep), [position, last], sweep, client)
      position = last
    }
  }

  return {
    position: () => position,
    write: (batch: readonly Recorded[], client: Pool | PoolClient, inTurn: InTurn) =>
      (writing = writing.then(() => inTurn(() => apply(batch, client)))),
    written: () => writing,
  }
}

const newest = (batch: readonly Recorded[]) =>
  batch.map((event) => {
    try {
      return upcast(event)
    } catch (error) {
      throw new UnreadableEvent('This program', event, error)
    }
  })

/** Does at most so many things at a time, the others in the order in which they came. */
const atMost = (max: number): InTurn => {
  let running = 0
  const waiting: (() => void)[] = []
  return async (work) => {
    if (running === max) await new Promise<void>((go) => waiting.push(go))
    else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
