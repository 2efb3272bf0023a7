import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import type { EventStore, Position, Recorded } from '../ports/event-store.ts'
import { START } from '../ports/event-store.ts'

const RETRY_MIN_MS = 200
const RETRY_MAX_MS = 30_000
/** What was handled since the checkpoint was last saved comes again after a crash. */
const SAVE_EVERY_MS = 200

/** Acts on the world: told every event at least once, in order, and never told again by a rebuild. */
export type Reaction = {
  readonly name: string
  /** Resolves once what had to be done is done. A rejection brings the same batch again, after a pause. */
  readonly handle: (batch: readonly Recorded[], signal: AbortSignal) => Promise<void>
  /** How long it rests after a batch: under load, the next one is then larger. */
  readonly restMs?: number
}

export type ReactionRunner = {
  status(): { readonly name: string; readonly position: Position; readonly error?: string }
  run(signal: AbortSignal): Promise<void>
}

type Options = {
  readonly pool: Pool
  readonly store: EventStore
  readonly reaction: Reaction
  readonly onError: (error: unknown) => void
}

/**
 * Runs a reaction from its stored checkpoint. The checkpoint is saved now and then, beside the work: after a crash the
 * last few batches come again.
 */
export const createReactionRunner = ({ pool, store, reaction, onError }: Options): ReactionRunner => {
  const { name } = reaction
  let handled: Position = START
  let failure: string | undefined
  let saving: Promise<void> | undefined
  let saved: Position = START

  const load = async () => {
    const text = 'select position::text from checkpoint where name = $1'
    const { rows } = await pool.query<{ position: string }>(text, [name])
    handled = saved = BigInt(rows[0]?.position ?? START)
  }

  const save = async () => {
    const position = handled
    await pool.query({
      name: 'save-reaction',
      text: `insert into checkpoint as present (name, version, position) values ($1, 1, $2)
             on conflict (name) do update set position = $2, updated_at = now() where present.position < $2`,
      values: [name, String(position)],
    })
    saved = position
  }

  const saveUntilCaughtUp = async () => {
    while (saved < handled) {
      await save()
      await sleep(SAVE_EVERY_MS, undefined, { ref: false })
    }
  }

  const saveBeside = () => {
    saving ??= saveUntilCaughtUp()
      .catch(onError)
      .finally(() => (saving = undefined))
  }

  const follow = async (signal: AbortSignal) => {
    await load()
    for await (const batch of store.subscribeToAll(handled, signal)) {
      await reaction.handle(batch, signal)
      handled = batch.at(-1)?.position ?? handled
      failure = undefined
      saveBeside()
      if (reaction.restMs) await sleep(reaction.restMs, undefined, { signal }).catch(() => {})
    }
    if (saved < handled) await save()
  }

  const run = async (signal: AbortSignal) => {
    let pauseMs = RETRY_MIN_MS
    while (!signal.aborted) {
      const before = handled
      try {
        await follow(signal)
      } catch (error) {
        if (signal.aborted) return
        onError(error)
        failure = error instanceof Error ? error.message : String(error)
        pauseMs = handled > before ? RETRY_MIN_MS : Math.min(pauseMs * 2, RETRY_MAX_MS)
        await sleep(pauseMs, undefined, { signal }).catch(() => {})
      }
    }
  }

  const status = () => ({ name, position: handled, ...(failure !== undefined && { error: failure }) })
  return { status, run }
}
