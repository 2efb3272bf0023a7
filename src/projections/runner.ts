import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { START, type EventStore, type Position } from '../ports/event-store.ts'
import { ensureTable, readCheckpoint } from './checkpoint.ts'
import { applyChanges, keysOf, pendingChanges, segmentsOf, UnreadableEvent, type Segment } from './fold.ts'
import type { Projection } from './projection.ts'
import { CheckpointMoved, projectionTable } from './table.ts'

const RETRY_MS = 500
/** A stopped projection looks again after this, in case the event has been mended. */
const STOPPED_RETRY_MS = 5_000
/**
 * After a write a table rests, so that under load the next one carries more rows: at least this long, and up to
 * `restMs` while nobody waits for what was written.
 */
const REST_MIN_MS = 2
const REST_MS = 15
/** A batch of this size says that there is much to catch up with. */
const BEHIND = 250
/** Events that do not concern a projection move its stored checkpoint only now and then. */
const IDLE_SAVE_MS = 1000

export type ProjectionState = {
  readonly name: string
  readonly state: 'starting' | 'running' | 'stopped'
  /** Everything up to here is in the table. */
  readonly position: Position
  /** Why it stopped, for people. */
  readonly error?: string
}

export type ProjectionRunner = {
  readonly name: string
  status(): ProjectionState
  /** Makes the table if it is not there in its present version. */
  prepare(): Promise<void>
  /** Resolves true once the table knows everything up to a position, false after the time-out or when stopped. */
  reached(position: Position, timeoutMs: number): Promise<boolean>
  /** Runs until the signal. */
  run(signal: AbortSignal): Promise<void>
}

type Options<Row extends object> = {
  readonly pool: Pool
  readonly store: EventStore
  readonly projection: Projection<Row>
  /** Called after rows changed. */
  readonly onChanged?: () => void
  readonly onError: (error: unknown) => void
}

/** Keeps one read model up to date: folds batches in memory, writes rows and checkpoint in one statement. */
export const createProjectionRunner = <Row extends object>(options: Options<Row>): ProjectionRunner => {
  const { pool, store, projection, onChanged, onError } = options
  const { name, restMs = REST_MS } = projection
  let status: ProjectionState = { name, state: 'starting', position: START }
  let endRest = () => {}
  let waiters: { position: Position; resolve: () => void }[] = []

  const moveTo = (position: Position) => {
    status = { name, state: 'running', position }
    if (waiters.length === 0) return
    const ready = waiters.filter((waiter) => waiter.position <= position)
    waiters = waiters.filter((waiter) => waiter.position > position)
    for (const { resolve } of ready) resolve()
  }

  /** Lets events gather, as long as nobody waits for them. */
  const rest = async (signal: AbortSignal) => {
    await sleep(REST_MIN_MS, undefined, { signal }).catch(() => {})
    if (waiters.length > 0 || signal.aborted) return
    await new Promise<void>((done) => {
      const timer = setTimeout(done, restMs)
      endRest = () => (clearTimeout(timer), done())
    })
  }

  const follow = async (signal: AbortSignal) => {
    await ensureTable(pool, projection)
    let saved = await readCheckpoint(pool, name)
    const table = projectionTable(pool, projection, {
      schema: 'public',
      checkpoint: name,
      empty: saved === START,
    })
    let savedAt = Date.now()
    moveTo(saved)

    const apply = async ({ events, sweep }: Segment) => {
      const last = events.at(-1)?.position ?? saved
      const pending = pendingChanges(projection, events)
      const changed = applyChanges(projection, pending, await table.load(keysOf(pending)), sweep)
      const hasChanged = changed.size > 0 || sweep !== undefined
      if (hasChanged || Date.now() - savedAt > IDLE_SAVE_MS) {
        await table.save(changed, [saved, last], sweep)
        saved = last
        savedAt = Date.now()
      }
      if (hasChanged) onChanged?.()
      moveTo(last)
      if (hasChanged && events.length < BEHIND) await rest(signal)
    }
    for await (const batch of store.subscribeToAll(saved, signal))
      for (const segment of segmentsOf(projection, batch)) await apply(segment)
    if (status.position > saved) await table.save(new Map(), [saved, status.position])
  }

  const run = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      try {
        await follow(signal)
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof CheckpointMoved) continue
        onError(error)
        const stopped = error instanceof UnreadableEvent || isRefused(error)
        if (stopped) status = { ...status, state: 'stopped', error: error.message }
        await sleep(stopped ? STOPPED_RETRY_MS : RETRY_MS, undefined, { signal }).catch(() => {})
      }
    }
  }

  const reached = (position: Position, timeoutMs: number): Promise<boolean> => {
    if (position <= status.position) return Promise.resolve(true)
    if (status.state === 'stopped') return Promise.resolve(false)
    return new Promise((resolve) => {
      const waiter = { position, resolve: () => (clearTimeout(timer), resolve(true)) }
      const timer = setTimeout(() => {
        waiters = waiters.filter((other) => other !== waiter)
        resolve(false)
      }, timeoutMs)
      waiters.push(waiter)
      endRest()
    })
  }

  return { name, status: () => status, prepare: () => ensureTable(pool, projection), reached, run }
}

/** The database finds fault with a row itself (SQLSTATE classes 22 and 23), so that the same row fails again. */
const isRefused = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && /^2[23]/.test(error.code)
