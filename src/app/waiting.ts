import { setTimeout as sleep } from 'node:timers/promises'
import { Refusal } from '../domain/errors.ts'
import type { EventStore, Position } from '../ports/event-store.ts'
import type { ReadModel, ReadModels } from '../projections/read-models.ts'

/** How long a request waits for the read models to know what it wrote. */
const CATCH_UP_MS = 2000
const MUST_KNOW_MS = 30_000

/** The ways in which others wait for read models. */
export const createWaiting = (store: EventStore, readModels: ReadModels, catchUpMs = CATCH_UP_MS) => {
  /** Until they know a position, or for as long as a request may wait. */
  const caughtUp = async (position: Position, ...names: ReadModel[]) => {
    await readModels.reached(position, catchUpMs, ...names)
  }
  /** Until they know everything written so far, or for as long as a request may wait. */
  const freshen = async (...names: ReadModel[]) => caughtUp(await store.head(), ...names)

  /** For as long as it takes. */
  const mustReach = async (position: Position, signal: AbortSignal, ...names: ReadModel[]) => {
    // In short waits, so that a stop is not held up by a read model that has stopped before.
    while (!(await readModels.reached(position, catchUpMs, ...names))) {
      signal.throwIfAborted()
      await sleep(catchUpMs, undefined, { signal })
    }
  }

  /** For decisions that a read model must not be behind for: refuses if it is. */
  const mustKnowAll = async (name: ReadModel) => {
    if (await readModels.reached(await store.head(), catchUpMs, name)) return
    throw new Refusal(
      'UNAVAILABLE',
      'What this depends on is still being counted. Try again in a few seconds.',
    )
  }

  /** For what works by itself and can try again: throws if a read model does not get there for long. */
  const mustKnow = async (position: Position, name: ReadModel, timeoutMs: number = MUST_KNOW_MS) => {
    if (!(await readModels.reached(position, timeoutMs, name))) throw new Error(`${name} is behind`)
  }

  return { caughtUp, freshen, mustReach, mustKnow, mustKnowAll }
}
export type Waiting = ReturnType<typeof createWaiting>
