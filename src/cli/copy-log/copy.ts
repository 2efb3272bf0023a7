import {
  firstEvent,
  followLog,
  readFollowed,
  recordLog,
  WrongLog,
  type Deployment,
  type LogKind,
} from '../../followed-log.ts'
import { START, StoreUnavailable, WrongRevision } from '../../ports/event-store.ts'
import { startProgress, type Output } from '../progress.ts'
import { copyBelongings } from './belongings.ts'
import { reactionCheckpoints, writeCheckpoints } from './checkpoints.ts'
import { compareLogs, type Comparison } from './compare.ts'
import { areSame, inTransaction, readProgress, saveProgress } from './databases.ts'
import { copyEvents, NOTHING, NotACopy, type Progress } from './events.ts'

/**
 * Appends made at once, to different streams, reach PostgreSQL in one statement, and EventStoreDB over one connection
 * that answers no more than a few at a time: both write them in the order in which they were made.
 */
const APPENDS_MAX: Record<LogKind, number> = { postgres: 256, eventstoredb: 15 }

export type Copied = Pick<Comparison, 'events' | 'sha256'> & {
  /** Rows of tables that are not made from the log; undefined where both have one database. */
  readonly rows: number | undefined
}

type Options = {
  readonly source: Deployment
  readonly target: Deployment
  readonly output: Output
  /** Throws if another program is at work on one of them. */
  readonly refuseIfInUse: () => Promise<void>
}

/**
 * Copies a log and makes the target go on where the source stopped. Until the last statement commits, the target cannot
 * be used; interrupted at any moment, the same call goes on. Throws with words for people.
 */
export const copyLog = async ({ source, target, output, refuseIfInUse }: Options): Promise<Copied> => {
  await followLog(source).catch((error: unknown) => {
    if (!(error instanceof WrongLog)) throw error
    throw new Error(`What is named with --from does not belong together. ${error.message}`, { cause: error })
  })
  const first = await firstEvent(source.store)
  if (!first) throw new Error('There is nothing to copy: the log of the source is empty.')
  const isOneDatabase = await areSame(source.pool, target.pool)
  if (isOneDatabase && source.kind === 'postgres' && target.kind === 'postgres')
    throw new Error('Source and target are the same log. The target is what the settings name.')
  if (!isOneDatabase) await refuseUsedDatabase(target)
  await refuseIfInUse()

  const from = await whereToBegin(source, target, first.id)
  await saveProgress(target.pool, first.id, from)
  // A program that started meanwhile has either seen that, or is seen here.
  await refuseIfInUse()
  const copying = startProgress(output, 'copying')
  let copied = from.events
  const save = (progress: Progress) => {
    copied = progress.events
    return saveProgress(target.pool, first.id, progress)
  }
  await copyEvents({
    source: source.store,
    target: target.store,
    appendsMax: APPENDS_MAX[target.kind],
    from,
    save,
    onProgress: copying.show,
  }).catch(explain)
  copying.end(copied - from.events)

  const comparing = startProgress(output, 'comparing')
  const { events, sha256, checkpoints } = await compareLogs({
    source: source.store,
    target: target.store,
    checkpoints: await reactionCheckpoints(source.pool),
    onProgress: comparing.show,
  })
  comparing.end(events)
  await refuseIfInUse()

  const copiedFirst = await firstEvent(target.store)
  const rows = await inTransaction(target.pool, async (client) => {
    await writeCheckpoints(client, checkpoints)
    const rows = isOneDatabase ? undefined : await copyBelongings(source.pool, client)
    await client.query('delete from followed_log; delete from log_copy')
    await recordLog(client, target.kind, copiedFirst)
    return rows
  })
  return { events, sha256, rows }
}

const refuseUsedDatabase = async ({ pool }: Deployment) => {
  const { kind, known } = await readFollowed(pool)
  if (kind !== null || BigInt(known ?? START) > START)
    throw new Error(
      'The target has been in use: its database follows a log already. Copy into an empty database and an empty log.',
    )
}

/** Where an earlier copy stopped, unless the target has been emptied since. */
const whereToBegin = async (source: Deployment, target: Deployment, firstId: string): Promise<Progress> => {
  const saved = await readProgress(target.pool, firstId)
  const [begin, head] = [await firstEvent(target.store), await target.store.head()]
  return begin?.id === firstId && head >= saved.target ? saved : NOTHING
}

const explain = (error: unknown): never => {
  if (error instanceof WrongRevision)
    throw new NotACopy(
      'The target holds other events, or somebody else writes to it. Copy into an empty log.',
    )
  if (error instanceof StoreUnavailable)
    throw new Error(`${error.message}. The same command goes on where it stopped.`, { cause: error })
  throw error
}
