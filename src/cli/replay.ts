import type { Pool } from 'pg'
import type { EventStore } from '../ports/event-store.ts'
import type { AnyProjection } from '../projections/projection.ts'
import { rebuild, type RebuildStage } from '../projections/rebuild.ts'
import { visit, type Command, type Screen } from './command.ts'
import { startProgress } from './progress.ts'
import { readModelsNamed } from './read-models-named.ts'
import { createWriter } from './write.ts'

const stages: Readonly<Record<RebuildStage, string>> = {
  replaying: 'replaying',
  indexes: 'making indexes',
  swapping: 'swapping',
  waiting: 'waiting until nobody reads the old tables',
}

/** Makes read models anew from the log, beside the live tables, and says how many rows they have. */
export const replay = async (
  pool: Pool,
  store: EventStore,
  wanted: readonly AnyProjection[],
  screen: Screen,
  interrupted?: AbortSignal,
) => {
  const progress = startProgress(screen.progress, stages.replaying)
  const events = await rebuild(wanted, {
    pool,
    store,
    onProgress: (...how) => {
      interrupted?.throwIfAborted()
      progress.show(...how)
    },
    onStage: (stage) => {
      interrupted?.throwIfAborted()
      progress.stage(stages[stage])
    },
  })
  progress.stage('replayed')
  progress.end(events)
  const write = createWriter(screen.out)
  for (const { name } of wanted) {
    const { rows } = await pool.query<{ count: number }>(`select count(*) from public.${name}`)
    await write(`${name.padEnd(20)} ${rows[0]?.count ?? 0} rows\n`)
  }
}

export const replayCommand: Command = {
  synopsis: '[table ...]',
  summary: 'makes read models anew from the log, all or those named; the server may run meanwhile',
  run: async (given) => {
    const wanted = readModelsNamed(given.args)
    await visit(given, ({ workPool, store }, interrupted) =>
      replay(workPool, store, wanted, given.screen, interrupted),
    )
    return 0
  },
}
