import type { Kysely } from 'kysely'
import type { AuditLines } from '../../audit/lines.ts'
import { upcast } from '../../domain/catalogue.ts'
import { START, type EventStore, type Position, type Recorded } from '../../ports/event-store.ts'
import { auditPage, isFound, type AuditFilter } from '../../projections/audit.ts'
import type { Database } from '../../projections/database.ts'
import { readLog } from '../../read-log.ts'

const PAGE = 500

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

/** The events that a filter finds, oldest first, a page in memory at a time. */
export async function* trail(options: Options): AsyncGenerator<readonly Recorded[]> {
  const { filter, limit, known, head } = options
  if (limit !== undefined) return yield* newest(options, limit)
  const isIndexed = isSelective(filter)
  if (isIndexed) yield* indexed(options)
  yield* unindexed(options, isIndexed ? known : START, head)
}

async function* indexed({ db, lines, filter, known }: Options) {
  const pageAfter = (after?: number) =>
    auditPage(db, filter, { order: 'asc', after, upTo: Number(known), limit: PAGE })
  for (let rows = await pageAfter(); rows.length > 0; rows = await pageAfter(rows.at(-1)?.position))
    yield await lines.eventsOf(rows)
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
  const { db, lines, filter, known, head } = options
  let last: Recorded[] = []
  for await (const events of unindexed(options, known, head)) last = [...last, ...events].slice(-limit)
  const wanted = limit - last.length
  const rows =
    wanted === 0 ? [] : await auditPage(db, filter, { order: 'desc', upTo: Number(known), limit: wanted })
  rows.reverse()
  for (let start = 0; start < rows.length; start += PAGE)
    yield await lines.eventsOf(rows.slice(start, start + PAGE))
  if (last.length > 0) yield last
}
