import type { Pool } from 'pg'
import type { EventStore, Position } from '../ports/event-store.ts'
import { projections } from './index.ts'
import type { Projection } from './projection.ts'
import { createProjectionRunner, type ProjectionRunner } from './runner.ts'

export type ReadModel = keyof typeof projections

type Parts = {
  readonly pool: Pool
  readonly store: EventStore
  /** Called after rows of a read model changed. */
  readonly onChanged: (name: ReadModel) => void
  readonly onError: (error: unknown) => void
}

const names = Object.keys(projections) as ReadModel[]

/** All read models, kept up to date beside each other: none can hold up another. */
export const createReadModels = ({ pool, store, onChanged, onError }: Parts) => {
  const runnerOf = <Row extends object>(name: ReadModel, projection: Projection<Row>) =>
    createProjectionRunner({ pool, store, projection, onChanged: () => onChanged(name), onError })
  const runners: Readonly<Record<ReadModel, ProjectionRunner>> = {
    accounts: runnerOf('accounts', projections.accounts),
    conversations: runnerOf('conversations', projections.conversations),
    instanceActivity: runnerOf('instanceActivity', projections.instanceActivity),
    instances: runnerOf('instances', projections.instances),
    messages: runnerOf('messages', projections.messages),
    outbox: runnerOf('outbox', projections.outbox),
    tenants: runnerOf('tenants', projections.tenants),
    tokens: runnerOf('tokens', projections.tokens),
    webhookEndpoints: runnerOf('webhookEndpoints', projections.webhookEndpoints),
  }

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
export type ReadModels = ReturnType<typeof createReadModels>
