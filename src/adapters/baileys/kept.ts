import type { Pool } from 'pg'

/** What is kept for WhatsApp, looked at without a session and without the library. */

const MESSAGES_KEPT_DAYS = 30
const JOURNAL_KEPT_DAYS = 14
const PURGED_AT_ONCE = 1000

/** The instances whose sessions something is kept of. */
export const keptSessions = async (pool: Pool): Promise<readonly string[]> => {
  const { rows } = await pool.query<{ instance_id: string }>('select instance_id from whatsapp_session')
  return rows.map(({ instance_id }) => instance_id)
}

/** Deletes what is older than it is kept; to be called now and then. `onLost` hears of what was never told. */
export const purgeSessions = async (pool: Pool, onLost: (error: unknown) => void): Promise<void> => {
  await purgeMessages(pool)
  await sweepJournal(pool, onLost)
}

/** In batches, so that no one waits long for a lock. */
const purgeMessages = async (pool: Pool) => {
  for (;;) {
    const { rowCount } = await pool.query(
      `delete from whatsapp_message where (instance_id, id) in (
         select instance_id, id from whatsapp_message
         where at < now() - make_interval(days => ${MESSAGES_KEPT_DAYS}) order by at limit ${PURGED_AT_ONCE}
         for update skip locked)`,
    )
    if ((rowCount ?? 0) < PURGED_AT_ONCE) return
  }
}

/** What is too old to be told as news goes. */
const sweepJournal = async (pool: Pool, onLost: (error: unknown) => void) => {
  const { rows } = await pool.query<{ plumbing: boolean }>(
    `delete from whatsapp_inbound where at < now() - make_interval(days => ${JOURNAL_KEPT_DAYS})
     returning plumbing`,
  )
  const lost = rows.filter(({ plumbing }) => !plumbing).length
  if (lost > 0)
    onLost(
      new Error(
        `${lost} WhatsApp messages could not be told for ${JOURNAL_KEPT_DAYS} days, and were given up`,
      ),
    )
}
