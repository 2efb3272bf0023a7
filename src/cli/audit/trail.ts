import type { Kysely } from 'kysely'
import type { AuditLines } from '../../audit/lines.ts'
import { upcast } from '../../domain/catalogue.ts'
import { START, type EventStore, type Position, type Recorded } from '../../ports/event-store.ts'
import { auditPage, isFound, type AuditEventRow, type AuditFilter } from '../../projections/audit.ts'
import type { Database } from '../../projections/database.ts'
import { readLog } from '../../read-log.ts'

/** Events in memory at once. */
const PAGE = 500
/** Places in the log that are looked up at once: what many events have in common is gone through anew for each look. */
const PLACES = 10_000

type Options = {
  readonly db: Kysely<Database>
  readonly store: EventStore
  readonly lines: Pick<AuditLines, 'eventsOf'>
  readonly filter: AuditFilter
  /** The newest so many; all without it. */
  readonly limit?: number | undefined
  /** Up to where `audit_event` knows the log; the rest is read from the log itself. */
  readonly known: Position
  readonly head: Position
}

/** Whether a filter picks few enough to look each of them up: a whole log is read faster as it stands. */
const isSelective = ({ about = [], types, correlation, causation, from, to }: AuditFilter) =>
  about.length > 0 || [types, correlation, causation, from, to].some((part) => part !== undefined)

/** The events that a filter finds, oldest first, with a page of them in memory at a time. */
export async function* trail(options: Options): AsyncGenerator<readonly Recorded[]> {
  const { filter, limit, known, head } = options
  if (limit !== undefined) return yield* newest(options, limit)
  const isIndexed = isSelective(filter)
  if (isIndexed) yield* indexed(options)
  yield* unindexed(options, isIndexed ? known : START, head)
}

async function* eventsAt({ lines }: Options, rows: readonly AuditEventRow[]) {
  for (let start = 0; start < rows.length; start += PAGE)
    yield await lines.eventsOf(rows.slice(start, start + PAGE))
}

async function* indexed(options: Options) {
  const { db, filter, known } = options
  let after: number | undefined
  for (;;) {
    const page = { order: 'asc', after, upTo: Number(known), limit: PLACES } as const
    const rows = await auditPage(db, filter, page)
    yield* eventsAt(options, rows)
    if (rows.length < PLACES) return
    after = rows.at(-1)?.position
  }
}

/** The events of the log itself that a filter finds, in their newest shape. */
export const foundIn = (batch: readonly Recorded[], filter: AuditFilter): Recorded[] =>
  batch.map((event) => upcast(event)).filter((event) => isFound(filter, event))

async function* unindexed({ store, filter }: Options, after: Position, upTo: Position) {
  for await (const batch of readLog(store, after, upTo)) {
    const events = foundIn(batch, filter)
    if (events.length > 0) yield events
  }
}

async function* newest(options: Options, limit: number) {
  const { db, filter, known, head } = options
  let last: Recorded[] = []
  for await (const events of unindexed(options, known, head)) last = [...last, ...events].slice(-limit)
  const wanted = limit - last.length
  const rows =
    wanted === 0 ? [] : await auditPage(db, filter, { order: 'desc', upTo: Number(known), limit: wanted })
  yield* eventsAt(options, rows.toReversed())
  if (last.length > 0) yield last
}
