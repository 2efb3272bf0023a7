import type { PoolClient } from 'pg'
import { firstEvent, readFollowed, type Deployment, type LogKind } from '../../followed-log.ts'
import {
  START,
  StoreUnavailable,
  WrongRevision,
  type Position,
  type Recorded,
} from '../../ports/event-store.ts'
import type { LogReader } from '../../read-log.ts'
import { inTransaction } from '../../transaction.ts'
import { interruptible } from '../interrupt.ts'
import { startProgress, type Output } from '../progress.ts'
import { compareLogs, type Comparison } from './compare.ts'
import { readProgress, saveProgress } from './databases.ts'
import { copyEvents, NOTHING, NotACopy, type Progress } from './events.ts'

/**
 * Appends made at once, to different streams, reach PostgreSQL in one statement, and EventStoreDB over one connection
 * that answers no more than a few at a time: both write them in the order in which they were made.
 */
const APPENDS_MAX: Record<LogKind, number> = { postgres: 256, eventstoredb: 15 }

type Options = {
  readonly source: LogReader
  readonly target: Deployment
  /** The target as the source reads, where that is not how its events are stored. */
  readonly reading?: LogReader
  /** Makes of events of the source what the target stores. */
  readonly prepare?: (events: readonly Recorded[]) => Promise<readonly Recorded[]>
  /** UUID of what is copied, by which an interrupted copy is known again. */
  readonly copy: string
  readonly output: Output
  readonly interrupted: AbortSignal
  /** Positions of the source to find in the target, by name. */
  readonly checkpoints?: () => Promise<ReadonlyMap<string, Position>>
  /** Throws if another program is at work on what this concerns. */
  readonly refuseIfInUse: () => Promise<void>
  /** Puts the target into use, in a transaction: the last thing that is done. */
  readonly finish: (client: PoolClient, comparison: Comparison, first: Recorded | undefined) => Promise<void>
}

/**
 * Fills a log with the events of another one, in the same order, and compares both. Until the last statement commits, the
 * target cannot be used; interrupted at any moment, the same call goes on. Throws with words for people.
 */
export const fillLog = async (options: Options): Promise<Comparison> => {
  const { target, reading = target.store, prepare, copy, output, refuseIfInUse, finish } = options
  const source = interruptible(options.source, options.interrupted)
  await refuseIfInUse()
  const from = await whereToBegin(source, target, copy)
  await saveProgress(target.pool, copy, from)
  // A program that started meanwhile has either seen that, or is seen here.
  await refuseIfInUse()
  const copying = startProgress(output, 'copying')
  let copied = from.events
  const save = (progress: Progress) => {
    copied = progress.events
    return saveProgress(target.pool, copy, progress)
  }
  await copyEvents({
    source,
    target: { ...reading, append: target.store.append },
    ...(prepare && { prepare }),
    appendsMax: APPENDS_MAX[target.kind],
    from,
    save,
    onProgress: copying.show,
  }).catch(explain)
  copying.end(copied - from.events)

  const comparing = startProgress(output, 'comparing')
  const comparison = await compareLogs({
    source,
    target: reading,
    checkpoints: (await options.checkpoints?.()) ?? new Map<string, Position>(),
    onProgress: comparing.show,
  })
  comparing.end(comparison.events)
  await refuseIfInUse()

  const first = await firstEvent(target.store)
  await inTransaction(target.pool, async (client) => {
    await finish(client, comparison, first)
    await client.query('delete from log_copy')
  })
  return comparison
}

export const refuseUsedDatabase = async ({ pool }: Deployment) => {
  const { kind, known } = await readFollowed(pool)
  if (kind !== null || BigInt(known ?? START) > START)
    throw new Error(
      'The target has been in use: its database follows a log already. Copy into an empty database and an empty log.',
    )
}

/** Where an earlier copy stopped, unless the target has been emptied since. */
const whereToBegin = async (source: LogReader, target: Deployment, copy: string): Promise<Progress> => {
  const saved = await readProgress(target.pool, copy)
  const [first, begin] = [await firstEvent(source), await firstEvent(target.store)]
  const head = await target.store.head()
  return begin && begin.id === first?.id && head >= saved.target ? saved : NOTHING
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
