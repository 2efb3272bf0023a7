import type { Pool } from 'pg'
import type { EventStore } from '../ports/event-store.ts'
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

/**
 * Makes read models anew from the log, beside the live tables, all of them if none is named, and says how many rows they
 * have. The system may run meanwhile. Throws WrongUsage for a name that is not a read model.
 */
export const replay = async (pool: Pool, store: EventStore, names: readonly string[], screen: Screen) => {
  const wanted = readModelsNamed(names)
  const progress = startProgress(screen.progress, stages.replaying)
  const events = await rebuild(wanted, {
    pool,
    store,
    onProgress: progress.show,
    onStage: (stage) => progress.stage(stages[stage]),
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
    await visit(given, ({ workPool, store }) => replay(workPool, store, given.args, given.screen))
    return 0
  },
}
