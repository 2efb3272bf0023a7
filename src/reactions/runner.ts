import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import type { EventStore, Position, Recorded } from '../ports/event-store.ts'
import { createProgress, type Progress } from './progress.ts'

const RETRY_MIN_MS = 200
const RETRY_MAX_MS = 30_000
/** A batch of fewer events says that there is no load, and no reason to rest. */
const SEVERAL = 3

/** Acts on the world: told every event at least once, in order, and never told again by a rebuild. */
export type Reaction = {
  readonly name: string
  /** Resolves once what had to be done is done. A rejection brings the same batch again, after a pause. */
  readonly handle: (batch: readonly Recorded[], signal: AbortSignal) => Promise<void>
  /**
   * Called before it goes on from the checkpoint, which another node may have moved meanwhile: what it remembers of the
   * log has to be forgotten, unless it can be told from the log that it still holds.
   */
  readonly begin?: () => void
  /** How long it rests after a batch: under load, the next one is then larger. */
  readonly restMs?: number
}

export type ReactionRunner = {
  readonly name: string
  status(): { readonly name: string; readonly position: Position; readonly error?: string }
  run(signal: AbortSignal): Promise<void>
}

type Options = {
  readonly pool: Pool
  readonly store: Pick<EventStore, 'subscribeToAll'>
  readonly reaction: Reaction
  /** For one that keeps its checkpoint itself. */
  readonly progress?: Progress
  readonly onError: (error: unknown) => void
}

/**
 * Runs a reaction from its stored checkpoint. The checkpoint is saved now and then, beside the work: after a crash the
 * last few batches come again.
 */
export const createReactionRunner = (options: Options): ReactionRunner => {
  const { pool, store, reaction, onError } = options
  const { name } = reaction
  const { progress = createProgress(pool, name, onError) } = options
  let failure: string | undefined

  const follow = async (signal: AbortSignal) => {
    reaction.begin?.()
    for await (const batch of store.subscribeToAll(await progress.load(), signal)) {
      await reaction.handle(batch, signal)
      failure = undefined
      progress.moveTo(batch.at(-1)?.position ?? progress.position())
      if (reaction.restMs && batch.length >= SEVERAL)
        await sleep(reaction.restMs, undefined, { signal }).catch(() => {})
    }
  }

  const run = async (signal: AbortSignal) => {
    let pauseMs = RETRY_MIN_MS
    failure = undefined
    while (!signal.aborted) {
      const before = progress.position()
      try {
        await follow(signal)
      } catch (error) {
        if (signal.aborted) break
        onError(error)
        failure = error instanceof Error ? error.message : String(error)
        pauseMs = progress.position() > before ? RETRY_MIN_MS : Math.min(pauseMs * 2, RETRY_MAX_MS)
        await sleep(pauseMs, undefined, { signal }).catch(() => {})
      }
    }
    // Whoever goes on from here begins with what is not handled.
    await progress.flush().catch(onError)
  }

  const status = () => ({
    name,
    position: progress.position(),
    ...(failure !== undefined && { error: failure }),
  })
  return { name, status, run }
}
