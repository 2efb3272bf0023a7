import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { START, Unopened, type EventStore } from '../ports/event-store.ts'
import { ensureTable, readLive } from './checkpoint.ts'
import { applyChanges, keysOf, pendingChanges, segmentsOf, UnreadableEvent, type Segment } from './fold.ts'
import type { Mark } from './mark.ts'
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

export type ProjectionRunner = {
  readonly name: string
  /** Makes the table if it is not there; one of another version is for whoever keeps it to make anew. */
  prepare(): Promise<void>
  /** Keeps the table until the signal. */
  run(signal: AbortSignal): Promise<void>
}

type Options<Row extends object> = {
  readonly pool: Pool
  readonly store: EventStore
  readonly projection: Projection<Row>
  /** Says how far the table is. */
  readonly mark: Mark
  readonly onError: (error: unknown) => void
}

/** Keeps one read model up to date: folds batches in memory, writes rows and checkpoint in one statement. */
export const createProjectionRunner = <Row extends object>(options: Options<Row>): ProjectionRunner => {
  const { pool, store, projection, mark, onError } = options
  const { name, restMs = REST_MS } = projection

  /** Lets events gather, as long as nobody waits for them. */
  const rest = async (signal: AbortSignal) => {
    await sleep(REST_MIN_MS, undefined, { signal }).catch(() => {})
    await mark.rest(restMs, signal)
  }

  const follow = async (signal: AbortSignal) => {
    await ensureTable(pool, projection)
    const live = await readLive(pool, name)
    let saved = live.position
    const table = projectionTable(pool, projection, {
      schema: 'public',
      oid: live.oid,
      empty: saved === START,
    })
    let savedAt = performance.now()
    mark.moveTo(saved, true)

    const apply = async ({ events, sweep }: Segment) => {
      const last = events.at(-1)?.position ?? saved
      const pending = pendingChanges(projection, events)
      const changed = applyChanges(projection, pending, await table.load(keysOf(pending)), sweep)
      const hasChanged = changed.size > 0 || sweep !== undefined
      if (hasChanged || performance.now() - savedAt > IDLE_SAVE_MS) {
        await table.save(changed, [saved, last], sweep)
        saved = last
        savedAt = performance.now()
      }
      mark.moveTo(last, hasChanged)
      if (hasChanged && events.length < BEHIND) await rest(signal)
    }
    for await (const batch of store.subscribeToAll(saved, signal))
      for (const segment of segmentsOf(projection, batch)) await apply(segment)
    const { position } = mark.state()
    if (position > saved) await table.save(new Map(), [saved, position])
  }

  const run = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      try {
        await follow(signal)
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof CheckpointMoved) continue
        onError(error)
        const isUnreadable = error instanceof UnreadableEvent || error instanceof Unopened
        const reason = isUnreadable ? error.message : refusalOf(error)
        if (reason !== undefined) mark.stop(reason)
        await sleep(reason !== undefined ? STOPPED_RETRY_MS : RETRY_MS, undefined, { signal }).catch(() => {})
      }
    }
  }

  /**
   * The database finds fault with a row itself (SQLSTATE classes 22 and 23), so that the same row fails again. Its words
   * quote the row, and everybody may ask whether a node is ready.
   */
  const refusalOf = (error: unknown): string | undefined => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    return /^2[23]/.test(code)
      ? `The database refuses a row of ${name} (${code}); the log says more.`
      : undefined
  }

  return { name, prepare: () => ensureTable(pool, projection, { remake: false }), run }
}
