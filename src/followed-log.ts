import type { Pool, PoolClient } from 'pg'
import { START, type EventStore, type Position, type Recorded } from './ports/event-store.ts'
import { REACTIONS } from './reactions/progress.ts'
import type { LogReader } from './read-log.ts'

export type LogKind = 'postgres' | 'eventstoredb'

/** A log, and the database of what is made from it. */
export type Deployment = {
  readonly kind: LogKind
  readonly store: EventStore
  readonly pool: Pool
}

/** The checkpoints of a database are positions of another log than the one at hand. Says what to do about it. */
export class WrongLog extends Error {
  override name = 'WrongLog'
}

const placeOf: Record<LogKind, string> = {
  postgres: 'the log in PostgreSQL',
  eventstoredb: 'a log in EventStoreDB',
}

const wrongKind: Record<LogKind, string> = {
  postgres: `This database belongs to ${placeOf.postgres}, but EVENTSTORE_URL is set. To move the log to EventStoreDB, run \
"zapini copy-log --from" with the data folder or database URL used until now; to stay, take EVENTSTORE_URL away.`,
  eventstoredb: `This database belongs to ${placeOf.eventstoredb}, but EVENTSTORE_URL is not set. Set it; or, to move the \
log into PostgreSQL, run "zapini copy-log --from" with the esdb:// URL used until now.`,
}
const UNFINISHED = `A copy or an import of a log into this database has not been finished. Run the same "zapini copy-log" or \
"zapini import" again, which goes on where it stopped; or begin with an empty database.`
const OTHER = `This database belongs to another log than the one that is configured. Name the right one; or move this \
database to a copy of its log with "zapini copy-log".`
const EMPTY = `The log is empty, but this database was made from one that was not. Name the right log, or bring it back from \
a backup; for a new beginning, take an empty database too.`
const behind = (head: Position, known: Position) =>
  `The log ends at ${head}, before ${known}, up to which this database knows it already: it seems to come from an older \
backup. Bring back the newer log; or bring back this database from a backup that is as old as the log's or older.`

type Followed = {
  readonly kind: LogKind | null
  readonly stream: string | null
  readonly event_id: string | null
  readonly position: string | null
  /** The furthest checkpoint. */
  readonly known: string | null
  readonly copying: boolean
}

export const readFollowed = async (pool: Pool | PoolClient): Promise<Followed> => {
  const { rows } = await pool.query<Followed>(
    `select kind, stream, event_id, followed_log.position::text,
            (select max(c.position)::text from checkpoint c) as known, exists (select from log_copy) as copying
     from (select) one left join followed_log on true`,
  )
  const [followed] = rows
  if (!followed) throw new Error('The database did not answer')
  return followed
}

/** The event that tells a log from others; undefined for an empty one. */
export const firstEvent = async (store: LogReader): Promise<Recorded | undefined> => {
  if ((await store.head()) === START) return undefined
  const done = new AbortController()
  for await (const [first] of store.subscribeToAll(START, done.signal)) {
    done.abort()
    return first
  }
  return undefined
}

type Judgement = {
  /** Which log it is stands in the database already. */
  readonly isRecorded: boolean
  /** The database knows nothing at all: not even what kind its log is of. */
  readonly isNew: boolean
}

/** Throws WrongLog unless the checkpoints are of this log. */
const judge = async ({ kind, store, pool }: Deployment): Promise<Judgement> => {
  // Before the head is asked for: what other nodes do meanwhile cannot put it behind.
  const followed = await readFollowed(pool)
  const known = BigInt(followed.known ?? START)
  if (!followed.kind && followed.copying) throw new WrongLog(UNFINISHED)
  // Databases without a record were made when the log was always beside them.
  const belongsTo = followed.kind ?? (known > START ? 'postgres' : kind)
  if (belongsTo !== kind) throw new WrongLog(wrongKind[belongsTo])
  const head = await store.head()
  if (head === START && (known > START || followed.event_id)) throw new WrongLog(EMPTY)
  if (followed.stream !== null) {
    const [first] = await store.readStream(followed.stream)
    const isSame = first?.id === followed.event_id && String(first?.position) === followed.position
    if (!isSame) throw new WrongLog(OTHER)
  }
  if (head < known) throw new WrongLog(behind(head, known))
  return {
    isRecorded: followed.kind !== null && (followed.event_id !== null || head === START),
    isNew: followed.kind === null && known === START,
  }
}

/** Throws WrongLog, and changes nothing. */
export const refuseWrongLog = async (deployment: Deployment): Promise<void> => void (await judge(deployment))

/**
 * Puts on record that the checkpoints of a database are of a log; that replaces what is said of an empty one only. A
 * database that had no record gets the place with it from which reactions go on, if there is one. Answers whether it did.
 */
export const recordLog = async (
  client: Pool | PoolClient,
  kind: LogKind,
  first: Recorded | undefined,
  reactionsFrom?: Position,
): Promise<boolean> => {
  const { rowCount } = await client.query(
    `with recorded as (
       insert into followed_log as present (kind, stream, event_id, position) values ($1, $2, $3, $4)
       on conflict (one) do update set stream = $2, event_id = $3, position = $4
       where present.kind = $1 and present.event_id is null
       returning xmax = 0 as is_new
     )
     insert into checkpoint (name, version, position)
     select $6, 1, $5::bigint from recorded where is_new and $5::bigint is not null`,
    [
      kind,
      first?.stream,
      first?.id,
      first && String(first.position),
      reactionsFrom && String(reactionsFrom),
      REACTIONS,
    ],
  )
  return rowCount === 1
}

type Options = {
  /** This program writes the first event of an empty log. Others leave it to that one to put an empty log on record. */
  readonly mayBegin?: boolean
  /** Hears from where reactions go on in a database that knew nothing of a log that has events. */
  readonly onAdopted?: (reactionsFrom: Position) => void
}

/**
 * Makes sure that the checkpoints of a database are positions of its log, before anything goes by them. The first time,
 * and once a new log has its first event, it puts on record which log that is. Throws WrongLog.
 *
 * A new database before a log that has events is one whose predecessor is lost. What the log tells was told already, so
 * that reactions go on from its end.
 */
export const followLog = async (
  deployment: Deployment,
  { mayBegin = true, onAdopted = () => {} }: Options = {},
): Promise<void> => {
  const { isRecorded, isNew } = await judge(deployment)
  if (isRecorded) return
  const { kind, store, pool } = deployment
  const first = await firstEvent(store)
  if (!first && !mayBegin) return
  const end = first && isNew ? await store.head() : undefined
  if ((await recordLog(pool, kind, first, end)) && end !== undefined) onAdopted(end)
  // Another node may have been there first, with another log.
  await judge(deployment)
}
