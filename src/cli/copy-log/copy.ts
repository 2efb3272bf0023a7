import { firstEvent, followLog, recordLog, WrongLog, type Deployment } from '../../followed-log.ts'
import type { Output } from '../progress.ts'
import { copyBelongings } from './belongings.ts'
import { forgetPlaces, reactionCheckpoints, writeCheckpoints } from './checkpoints.ts'
import type { Comparison } from './compare.ts'
import { areSame } from './databases.ts'
import { fillLog, refuseUsedDatabase } from './fill.ts'

export type Copied = Pick<Comparison, 'events' | 'sha256'> & {
  /** Rows of tables that are not made from the log; undefined where both have one database. */
  readonly rows: number | undefined
}

type Options = {
  readonly source: Deployment
  readonly target: Deployment
  readonly output: Output
  readonly interrupted: AbortSignal
  /** Throws if another program is at work on one of them. */
  readonly refuseIfInUse: () => Promise<void>
}

/**
 * Copies a log and makes the target go on where the source stopped. Until the last statement commits, the target cannot
 * be used; interrupted at any moment, the same call goes on. Throws with words for people.
 */
export const copyLog = async (options: Options): Promise<Copied> => {
  const { source, target, output, interrupted, refuseIfInUse } = options
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

  let rows: number | undefined
  const { events, sha256 } = await fillLog({
    source: source.store,
    target,
    copy: first.id,
    output,
    interrupted,
    checkpoints: () => reactionCheckpoints(source.pool),
    refuseIfInUse,
    finish: async (client, { checkpoints }, copiedFirst) => {
      await writeCheckpoints(client, checkpoints)
      await client.query('delete from followed_log')
      rows = isOneDatabase ? undefined : await copyBelongings(source.pool, client)
      await forgetPlaces(client)
      await recordLog(client, target.kind, copiedFirst)
    },
  })
  return { events, sha256, rows }
}
