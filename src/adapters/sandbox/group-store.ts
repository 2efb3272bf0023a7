import type { Pool } from 'pg'
import type { GroupParticipant } from '../../ports/groups.ts'

export type StoredGroup = {
  readonly jid: string
  /** Not known of a group that was named by its id only. */
  readonly subject: string | null
  readonly description: string | null
  readonly owner: string
  readonly participants: readonly GroupParticipant[]
  readonly inviteCode: string
}
export type GroupStore = ReturnType<typeof createGroupStore>

const columns = 'jid, subject, description, owner, participants, invite_code as "inviteCode"'

/** Simulated groups in PostgreSQL; they go with the phone that is forgotten. */
export const createGroupStore = (pool: Pool) => {
  const list = async (instanceId: string): Promise<StoredGroup[]> => {
    const { rows } = await pool.query<StoredGroup>({
      name: 'sandbox-groups',
      text: `select ${columns} from sandbox_group where instance_id = $1 order by jid`,
      values: [instanceId],
    })
    return rows
  }

  const find = async (instanceId: string, jid: string): Promise<StoredGroup | undefined> => {
    const { rows } = await pool.query<StoredGroup>({
      name: 'sandbox-group',
      text: `select ${columns} from sandbox_group where instance_id = $1 and jid = $2`,
      values: [instanceId, jid],
    })
    return rows[0]
  }

  const save = async (instanceId: string, group: StoredGroup): Promise<void> => {
    await pool.query({
      name: 'sandbox-save-group',
      text: `insert into sandbox_group (instance_id, jid, subject, description, owner, participants, invite_code)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (instance_id, jid) do update
             set (subject, description, owner, participants, invite_code) =
                 (excluded.subject, excluded.description, excluded.owner, excluded.participants, excluded.invite_code)`,
      values: [
        instanceId,
        group.jid,
        group.subject,
        group.description,
        group.owner,
        JSON.stringify(group.participants),
        group.inviteCode,
      ],
    })
  }

  return { list, find, save }
}
