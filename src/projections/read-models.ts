import type { Pool } from 'pg'
import type { EventStore, Position } from '../ports/event-store.ts'
import { projections } from './index.ts'
import { createMark, type Mark } from './mark.ts'
import type { AnyProjection } from './projection.ts'
import { createProjectionRunner } from './runner.ts'
import { shareMarks } from './shared-marks.ts'

export type ReadModel = keyof typeof projections

type Parts = {
  readonly pool: Pool
  readonly store: EventStore
  /** Called after rows of a read model changed, on whichever node. */
  readonly onChanged: (name: ReadModel) => void
  readonly onError: (error: unknown) => void
}

const all: Readonly<Record<ReadModel, AnyProjection>> = projections
const names = Object.keys(projections) as ReadModel[]

/** All read models: kept up to date beside each other, so that none can hold up another, by one node for all. */
export const createReadModels = ({ pool, store, onChanged, onError }: Parts) => {
  /** Whether the tables are kept here. */
  let isKeeper = false
  const markOf = (name: ReadModel): Mark =>
    createMark({
      name: all[name].name,
      onChanged: () => onChanged(name),
      onMoved: () => shared.onMoved(marks[name]),
      onWanted: () => shared.onWanted(),
    })
  const marks = Object.fromEntries(names.map((name) => [name, markOf(name)])) as Readonly<
    Record<ReadModel, Mark>
  >
  const runners = names.map((name) =>
    createProjectionRunner({ pool, store, projection: all[name], mark: marks[name], onError }),
  )
  const shared = shareMarks({
    pool,
    marks: names.map((name) => ({ mark: marks[name], version: all[name].version })),
    isKeeper: () => isKeeper,
    onError,
  })

  /** Resolves true once the named read models know a position; false if one does not within the time. */
  const reached = async (position: Position, timeoutMs: number, ...wanted: ReadModel[]): Promise<boolean> => {
    const all = await Promise.all(wanted.map((name) => marks[name].reached(position, timeoutMs)))
    return all.every(Boolean)
  }

  /** Makes sure that every table is there, so that it can be asked. */
  const prepare = async () => {
    for (const { prepare } of runners) await prepare()
  }

  /** Keeps the tables. For one node at a time; a second one would do no harm, and nothing of use. */
  const run = async (signal: AbortSignal) => {
    isKeeper = true
    await Promise.all(runners.map((runner) => runner.run(signal))).finally(() => (isKeeper = false))
  }

  return {
    names,
    prepare,
    reached,
    status: () => names.map((name) => marks[name].state()),
    run,
    /** Where there are other nodes: tells them of the tables that are kept here, and hears of those that they keep. */
    share: shared.run,
  }
}
export type ReadModels = ReturnType<typeof createReadModels>
