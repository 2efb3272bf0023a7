import type { Pool } from 'pg'
import type { Scrub } from '../../ports/scrub.ts'

const ERASED = 'json_to_recordset($1) as erased(instance_id uuid, chat text, at timestamptz)'
const OUTBOX = `
delete from sandbox_outbox o using ${ERASED}
where o.instance_id = erased.instance_id and o.chat = erased.chat and o.at <= erased.at`
const GROUPS = `
delete from sandbox_group g using ${ERASED} where g.instance_id = erased.instance_id and g.jid = erased.chat`

/**
 * Takes chats from a simulated phone: what it got in it, and the group, which the phone finds again with its next message.
 */
export const scrubSandbox =
  (pool: Pool): Scrub =>
  async (erased) => {
    const chats = erased.flatMap(({ chats, at }) =>
      (chats?.jids ?? []).map((chat) => ({ instance_id: chats?.instanceId, chat, at })),
    )
    if (chats.length === 0) return
    for (const text of [OUTBOX, GROUPS]) await pool.query(text, [JSON.stringify(chats)])
  }
