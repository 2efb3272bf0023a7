import type { Pool } from 'pg'

/** The instances whose sessions something is kept of. Needs no session, and no library. */
export const keptSessions = async (pool: Pool): Promise<readonly string[]> => {
  const { rows } = await pool.query<{ instance_id: string }>('select instance_id from whatsapp_session')
  return rows.map(({ instance_id }) => instance_id)
}
