import type { Pool } from 'pg'
import {
  START,
  StoreUnavailable,
  WrongRevision,
  type EventStore,
  type NewEvent,
  type Position,
  type Recorded,
} from '../../ports/event-store.ts'
import { createTail } from '../tail.ts'
import { coalesce, fulfilled, rejected } from './coalesce.ts'
import { isConnectionError } from './errors.ts'
import { watchAppends } from './wake-ups.ts'

/** Appends and stream reads that leave in one round trip. */
const BATCH_MAX = 256
/** While one batch commits, the next can be on its way to the database: worth it when so many wait. */
const OVERLAP_FROM = 12
const PAGE = 1000
/** As stored. One event may be as large as many pages of others. */
const PAGE_BYTES = 4_000_000

type Append = { readonly stream: string; readonly expected: number; readonly events: readonly NewEvent[] }
type Read = { readonly stream: string; readonly from: number }
type Row = Omit<Recorded, 'position'> & { readonly position: string }

const COLUMNS = 'e.position::text, e.stream, e.revision, e.id, e.type, e.data, e.meta'
const recorded = ({ position, ...row }: Row): Recorded => ({ ...row, position: BigInt(position) })

/**
 * The log in PostgreSQL. `pool` must be durable; `onError` hears of what mends itself, such as a lost connection.
 * `alone`: no other process follows this log, so that nobody is notified; one that comes all the same looks each second.
 */
export const postgresEventStore = (
  pool: Pool,
  onError: (error: unknown) => void,
  { alone = false }: { readonly alone?: boolean } = {},
): EventStore & { close(): Promise<void> } => {
  const writeBatch = async (appends: readonly Append[]): Promise<(Position | null)[]> => {
    const events = placed(appends)
    const datas = events.map(({ data }) => JSON.stringify(data))
    const { rows } = await pool.query<{ head: string; positions: (string | null)[] }>({
      name: 'append-events',
      text: `select head::text, positions::text[] from append_events($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      values: [
        appends.map(({ stream }) => stream),
        appends.map(({ expected }) => expected),
        events.map(({ append }) => append),
        events.map(({ revision }) => revision),
        events.map(({ id }) => id),
        events.map(({ type }) => type),
        datas,
        events.map(({ meta }) => JSON.stringify(meta)),
        !alone,
      ],
    })
    const [answer] = rows
    if (!answer) throw new Error('append_events did not answer')
    const positions = answer.positions.map((position) => (position === null ? null : BigInt(position)))
    const written: Recorded[] = []
    events.forEach(({ append, following, ...event }, n) => {
      const last = positions[append - 1]
      if (!last) return
      // As it will be read back: what JSON does not carry is not part of an event.
      written.push({
        ...event,
        data: JSON.parse(datas[n] ?? '') as object,
        position: last - BigInt(following),
      })
    })
    tail.offer(BigInt(answer.head), written)
    return positions
  }

  const appendBatch = (appends: readonly Append[]) => tail.whileAppending(() => writeBatch(appends))

  const append = coalesce<Append, Position>({
    max: BATCH_MAX,
    overlapFrom: OVERLAP_FROM,
    fits: ({ stream }, batch) => !batch.some((other) => other.stream === stream),
    run: async (appends) => {
      const settle = (n: number, position: Position | null | undefined) =>
        position
          ? fulfilled(position)
          : rejected(new WrongRevision(`${appends[n]?.stream} is not at revision ${appends[n]?.expected}`))
      try {
        const positions = await appendBatch(appends)
        return appends.map((_, n) => settle(n, positions[n]))
      } catch (error) {
        if (isConnectionError(error) || appends.length === 1) throw unavailable(error)
        // One append that the database refuses must not fail its neighbours: each goes alone.
        return Promise.all(
          appends.map((one, n) =>
            appendBatch([one]).then(
              ([position]) => settle(n, position),
              (reason: unknown) => rejected(unavailable(reason)),
            ),
          ),
        )
      }
    },
  })

  const readStream = coalesce<Read, readonly Recorded[]>({
    max: BATCH_MAX,
    run: async (reads) => {
      const { rows } = await pool
        .query<Row & { n: number }>({
          name: 'read-streams',
          text: `select q.n::integer, ${COLUMNS}
                 from unnest($1::text[], $2::integer[]) with ordinality q(stream, "from", n)
                 join event e on e.stream = q.stream and e.revision >= q."from"
                 order by q.n, e.revision`,
          values: [reads.map(({ stream }) => stream), reads.map(({ from }) => from)],
        })
        .catch((error: unknown) => {
          throw unavailable(error)
        })
      const streams: Recorded[][] = reads.map(() => [])
      for (const { n, ...row } of rows) streams[n - 1]?.push(recorded(row))
      return streams.map(fulfilled)
    },
  })

  const readAll = async (after: Position): Promise<Recorded[]> => {
    const { rows } = await pool.query<Row>({
      name: 'read-all',
      text: `
        select ${COLUMNS} from (
          select *, sum(pg_column_size(data)) over (order by position rows unbounded preceding) - pg_column_size(data) as bytes_before
          from event where position > $1 order by position limit ${PAGE}
        ) e where e.bytes_before < ${PAGE_BYTES} order by e.position`,
      values: [String(after)],
    })
    return rows.map(recorded)
  }

  const head = async (): Promise<Position> => {
    const { rows } = await pool.query<{ head: string | null }>(
      'select max(position)::text as head from event',
    )
    return BigInt(rows[0]?.head ?? START)
  }

  const tail = createTail({
    readAll,
    head,
    watch: (_from, signal) =>
      watchAppends({ pool, alone, wake: tail.wake, look: tail.look, onError }, signal),
    onError,
  })
  return {
    append: (stream, expected, events) => append({ stream, expected, events }),
    readStream: (stream, from = 0) => readStream({ stream, from }),
    head,
    subscribeToAll: tail.subscribe,
    close: tail.close,
  }
}

/** The events of a batch, each with its place: the number of its append, and how many of that append follow. */
const placed = (appends: readonly Append[]) =>
  appends.flatMap(({ stream, expected, events }, n) =>
    events.map((event, i) => ({
      ...event,
      stream,
      revision: expected + 1 + i,
      append: n + 1,
      following: events.length - 1 - i,
    })),
  )

const unavailable = (error: unknown) =>
  isConnectionError(error) ? new StoreUnavailable('The event log cannot be reached', { cause: error }) : error
