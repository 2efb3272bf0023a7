import type { Pool } from 'pg'
import type { Scrub } from '../../ports/scrub.ts'

/**
 * Takes a chat from a simulated phone: what it got in it, and the group, which the phone finds again with its next message.
 */
export const scrubSandbox =
  (pool: Pool): Scrub =>
  async ({ chats, at }) => {
    if (!chats) return
    const { instanceId, jids } = chats
    await pool.query('delete from sandbox_outbox where instance_id = $1 and chat = any($2) and at <= $3', [
      instanceId,
      jids,
      at,
    ])
    await pool.query('delete from sandbox_group where instance_id = $1 and jid = any($2)', [instanceId, jids])
  }
