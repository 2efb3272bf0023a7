import type { Pool } from 'pg'
import type { EventStore } from '../ports/event-store.ts'
import { projections } from '../projections/index.ts'
import type { AnyProjection } from '../projections/projection.ts'
import { rebuild } from '../projections/rebuild.ts'
import { visit, type Command } from './command.ts'
import { startProgress, type Output } from './progress.ts'

const all: Readonly<Record<string, AnyProjection>> = Object.fromEntries(
  Object.values(projections).map((projection) => [projection.name, projection]),
)

/**
 * Makes read models anew from the log, beside the live tables, all of them if none is named. The system may run
 * meanwhile. Throws for a name that is not a read model.
 */
export const replay = async (pool: Pool, store: EventStore, names: readonly string[], output: Output) => {
  const unknown = names.find((name) => !(name in all))
  if (unknown !== undefined)
    throw new Error(`There is no read model ${unknown}. There are: ${Object.keys(all).join(', ')}.`)
  const wanted = Object.values(all).filter(({ name }) => names.length === 0 || names.includes(name))
  const progress = startProgress(output, 'replay')
  progress.end(await rebuild(wanted, { pool, store, onProgress: progress.show }))
}

export const replayCommand: Command = {
  synopsis: '[table ...]',
  summary: 'makes read models anew from the log, all or those named; the server may run meanwhile',
  run: async (given) => {
    await visit(given, ({ workPool, store }) => replay(workPool, store, given.args, given.screen.progress))
    return 0
  },
}
