import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { NOTHING, type Progress } from './events.ts'

/** The sessions of a program that has just ended need a moment to go. */
const IN_USE_LOOKS = 15
const IN_USE_PAUSE_MS = 200
const LOCK_MAX = 2 ** 31

/** Whether both are one database, by whatever names they are reached. */
export const areSame = async (one: Pool, other: Pool): Promise<boolean> => {
  const key = randomInt(LOCK_MAX)
  const client = await one.connect()
  try {
    await client.query('select pg_advisory_lock($1)', [key])
    const { rows } = await other.query<{ free: boolean }>('select pg_try_advisory_xact_lock($1) as free', [
      key,
    ])
    return rows[0]?.free === false
  } finally {
    client.release(true)
  }
}

/** Throws if a program is at work on a database, other than those whose sessions are called `own`. */
export const refuseIfInUse = async (pool: Pool, which: 'source' | 'target', own: string) => {
  for (let look = 1; ; look++) {
    const { rows } = await pool.query<{ name: string; address: string }>(
      `select application_name as name, coalesce(host(client_addr), 'this machine') as address from pg_stat_activity
       where datname = current_database() and application_name like 'zapini%' and application_name <> $1 limit 1`,
      [own],
    )
    const [user] = rows
    if (!user) return
    if (look === IN_USE_LOOKS)
      throw new Error(
        `The ${which} is in use by ${user.name}, from ${user.address}. Stop every program on it first: what it writes \
meanwhile would be lost.`,
      )
    await sleep(IN_USE_PAUSE_MS)
  }
}

/** How far an earlier copy of the same has come. */
export const readProgress = async (target: Pool, copy: string): Promise<Progress> => {
  const { rows } = await target.query<{ source: string; target: string; events: number }>(
    `select source_position::text as source, target_position::text as target, events
     from log_copy where event_id = $1`,
    [copy],
  )
  const [progress] = rows
  if (!progress) return NOTHING
  return { ...progress, source: BigInt(progress.source), target: BigInt(progress.target) }
}

/** From the first time on, the target is not used before the copy is finished. */
export const saveProgress = async (target: Pool, copy: string, progress: Progress) => {
  await target.query(
    `insert into log_copy (event_id, source_position, target_position, events) values ($1, $2, $3, $4)
     on conflict (one) do update set event_id = $1, source_position = $2, target_position = $3, events = $4`,
    [copy, String(progress.source), String(progress.target), progress.events],
  )
}
