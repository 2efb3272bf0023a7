import type { Pool } from 'pg'
import type { EventStore, Position } from '../ports/event-store.ts'
import { projections } from './index.ts'
import type { AnyProjection } from './projection.ts'
import { createProjectionRunner, type ProjectionRunner } from './runner.ts'

export type ReadModel = keyof typeof projections

type Parts = {
  readonly pool: Pool
  readonly store: EventStore
  /** Called after rows of a read model changed. */
  readonly onChanged: (name: ReadModel) => void
  readonly onError: (error: unknown) => void
}

const all: Readonly<Record<ReadModel, AnyProjection>> = projections
const names = Object.keys(projections) as ReadModel[]

/** All read models, kept up to date beside each other: none can hold up another. */
export const createReadModels = ({ pool, store, onChanged, onError }: Parts) => {
  const runnerOf = (name: ReadModel) =>
    createProjectionRunner({ pool, store, projection: all[name], onChanged: () => onChanged(name), onError })
  const runners = Object.fromEntries(names.map((name) => [name, runnerOf(name)])) as Readonly<
    Record<ReadModel, ProjectionRunner>
  >

  /** Resolves true once the named read models know a position; false if one does not within the time. */
  const reached = async (position: Position, timeoutMs: number, ...wanted: ReadModel[]): Promise<boolean> => {
    const all = await Promise.all(wanted.map((name) => runners[name].reached(position, timeoutMs)))
    return all.every(Boolean)
  }

  /** Makes sure that every table is there, so that it can be asked. */
  const prepare = async () => {
    for (const name of names) await runners[name].prepare()
  }

  return {
    names,
    prepare,
    reached,
    status: () => names.map((name) => runners[name].status()),
    run: (signal: AbortSignal) => Promise.all(names.map((name) => runners[name].run(signal))),
  }
}
