import type { Pool, PoolClient } from 'pg'
import { createLocalTurns, TURN_WAIT_MS, turnDidNotCome, waitingAtMost } from '../../local-turns.ts'
import type { Turns } from '../../ports/turns.ts'
import { codeOf } from './errors.ts'

/** First half of the keys of these advisory locks; the second is a hash. Two keys of one hash only wait for each other. */
const TURNS = 7_266_002
const LOCK_NOT_AVAILABLE = '55P03'

/**
 * Turns across nodes: a session of the database holds an advisory lock while the task runs. The tasks of a key queue
 * up in this process first, so that a key occupies one connection of the pool, which is for nothing else: whoever has
 * one waits for no further one of it.
 *
 * A connection that breaks gives the turn up at once, while the task runs on; `onError` then hears that another one may
 * have run beside it. A node that vanishes keeps its turn until the database finds its connection dead
 * (`createTurnPool`).
 */
export const postgresTurns = (
  pool: Pool,
  onError: (error: unknown) => void,
  waitMs: number = TURN_WAIT_MS,
): Turns => {
  const locally = createLocalTurns()

  const lock = (client: PoolClient, key: string) =>
    client
      .query({
        name: 'take-turn',
        text: 'select pg_advisory_lock($1, hashtext($2))',
        values: [TURNS, key],
      })
      .catch((error: unknown) => {
        throw codeOf(error) === LOCK_NOT_AVAILABLE ? turnDidNotCome() : error
      })

  /** Answers whether the turn was held until now. */
  const unlock = async (client: PoolClient, key: string): Promise<boolean> => {
    const { rows } = await client.query<{ held: boolean }>({
      name: 'end-turn',
      text: 'select pg_advisory_unlock($1, hashtext($2)) as held',
      values: [TURNS, key],
    })
    return rows[0]?.held ?? false
  }

  const acrossNodes: Turns = async (key, task) => {
    const client = await pool.connect()
    let broken: Error | undefined
    const onBroken = (error: Error) => (broken = error)
    client.on('error', onBroken)
    let isHeld = false
    try {
      await lock(client, key)
      isHeld = true
      return await task()
    } finally {
      const wasHeld = isHeld && !broken && (await unlock(client, key).catch(() => false))
      if (isHeld && !wasHeld)
        onError(new Error(`The turn "${key}" was lost while it lasted`, { cause: broken }))
      client.off('error', onBroken)
      client.release(!wasHeld)
    }
  }

  return waitingAtMost(waitMs, (key, task) => locally(key, () => acrossNodes(key, task)))
}
