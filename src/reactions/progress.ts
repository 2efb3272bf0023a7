import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { START, type Position } from '../ports/event-store.ts'

/** The checkpoint of reactions that have none of their own. */
export const REACTIONS = 'reactions'

/** What was handled since the checkpoint was last saved comes again after a crash. */
const SAVE_EVERY_MS = 1000

/** How far a reaction has come in the log: saved now and then, beside the work. */
export const createProgress = (pool: Pool, name: string, onError: (error: unknown) => void) => {
  let handled: Position = START
  let saved: Position = START
  let saving: Promise<void> | undefined

  const load = async (): Promise<Position> => {
    const { rows } = await pool.query<{ position: string }>(
      'select position::text from checkpoint where name in ($1, $2) order by name = $1 desc limit 1',
      [name, REACTIONS],
    )
    handled = saved = BigInt(rows[0]?.position ?? START)
    return handled
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

  /** Everything up to here is done. */
  const moveTo = (position: Position) => {
    if (position <= handled) return
    handled = position
    saving ??= saveUntilCaughtUp()
      .catch(onError)
      .finally(() => (saving = undefined))
  }

  /** Saves what is not saved yet. */
  const flush = async () => {
    if (saved < handled) await save()
  }

  return { load, moveTo, flush, position: () => handled }
}
export type Progress = ReturnType<typeof createProgress>
