import type { Pool } from 'pg'
import type { EventStore } from '../ports/event-store.ts'
import { projections } from '../projections/index.ts'
import type { AnyProjection } from '../projections/projection.ts'
import { rebuild, type RebuildStage } from '../projections/rebuild.ts'
import { visit, type Command, type Screen } from './command.ts'
import { startProgress } from './progress.ts'

const all: Readonly<Record<string, AnyProjection>> = Object.fromEntries(
  Object.values(projections).map((projection) => [projection.name, projection]),
)

const stages: Readonly<Record<RebuildStage, string>> = {
  replaying: 'replaying',
  indexes: 'making indexes',
  swapping: 'swapping',
  waiting: 'waiting until nobody reads the old tables',
}

/**
 * Makes read models anew from the log, beside the live tables, all of them if none is named, and says how many rows they
 * have. The system may run meanwhile. Throws for a name that is not a read model.
 */
export const replay = async (pool: Pool, store: EventStore, names: readonly string[], screen: Screen) => {
  const unknown = names.find((name) => !(name in all))
  if (unknown !== undefined)
    throw new Error(`There is no read model ${unknown}. There are: ${Object.keys(all).join(', ')}.`)
  const wanted = Object.values(all).filter(({ name }) => names.length === 0 || names.includes(name))
  const progress = startProgress(screen.progress, stages.replaying)
  const events = await rebuild(wanted, {
    pool,
    store,
    onProgress: progress.show,
    onStage: (stage) => progress.stage(stages[stage]),
  })
  progress.stage('replayed')
  progress.end(events)
  for (const { name } of wanted) {
    const { rows } = await pool.query<{ count: number }>(`select count(*) from public.${name}`)
    screen.out.write(`${name.padEnd(20)} ${rows[0]?.count ?? 0} rows\n`)
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
