import { randomBytes, randomInt } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { notFound, Refusal } from '../../domain/errors.ts'
import type { ParticipantAction } from '../../domain/group.ts'
import { numberOf, toPerson } from '../../domain/values.ts'
import type { GroupGateway, GroupMetadata, GroupParticipant } from '../../ports/groups.ts'
import type { Turns } from '../../ports/turns.ts'
import type { GroupStore, StoredGroup } from './group-store.ts'
import { namedGroup } from './people.ts'
import { underway, type Session, type Sessions } from './sessions.ts'
import { inTime } from './in-time.ts'

const TIMEOUT_MS = 10_000
const INVITE_CODE_BYTES = 11

type Parts = { readonly sessions: Sessions; readonly store: GroupStore; readonly inTurn: Turns }
type Participants = readonly GroupParticipant[]

/** Groups of the simulated phones. Who makes one is its superadmin; changes are for admins. */
export const sandboxGroups = ({ sessions, store, inTurn }: Parts): GroupGateway => {
  /** Does something with the groups of a connected phone, whose own JID is given. */
  const withPhone = async <T>(instanceId: string, task: (own: string) => Promise<T>): Promise<T> => {
    const session = sessions.find(instanceId)
    if (session?.link.state !== 'connected')
      throw new Refusal('INSTANCE_NOT_CONNECTED', 'The simulated phone has no connection.')
    return inTime(TIMEOUT_MS, underway(session, task(ownJid(session.link.profile))))
  }
  /** Does something with one group that the phone is in, one call at a time. */
  const withGroup = <T>(
    instanceId: string,
    jid: string,
    task: (group: StoredGroup, own: string) => T | Promise<T>,
  ): Promise<T> =>
    withPhone(instanceId, (own) =>
      inTurn(turnOf(instanceId, jid), async () => {
        const group = await store.find(instanceId, jid)
        if (!group || !isIn(group, own)) throw notFound('Group')
        return task(group, own)
      }),
    )
  const asAdmin = <T>(...[instanceId, jid, task]: Parameters<typeof withGroup<T>>): Promise<T> =>
    withGroup(instanceId, jid, (group, own) => {
      if (!group.participants.some(({ jid, admin }) => jid === own && admin !== null))
        throw new Refusal('FORBIDDEN', 'The instance is not an admin of this group.')
      return task(group, own)
    })
  const change = (instanceId: string, jid: string, fields: Partial<StoredGroup>) =>
    asAdmin(instanceId, jid, (group) => store.save(instanceId, { ...group, ...fields }))

  return {
    list: (instanceId) =>
      withPhone(instanceId, async (own) =>
        (await store.list(instanceId)).filter((group) => isIn(group, own)).map(metadataOf),
      ),

    metadata: (instanceId, jid) => withGroup(instanceId, jid, metadataOf),

    create: (instanceId, { subject, participants }) =>
      withPhone(instanceId, async (own) => {
        const made: Participants = [{ jid: own, admin: 'superadmin' }]
        const { results, changed } = changedBy('add', made, participants)
        const group = { ...newGroup(newGroupJid(), own), subject, participants: changed }
        await store.save(instanceId, group)
        return { group: metadataOf(group), results }
      }),

    setSubject: (instanceId, jid, subject) => change(instanceId, jid, { subject }),
    setDescription: (instanceId, jid, text) => change(instanceId, jid, { description: text || null }),

    changeParticipants: (instanceId, jid, action, participants) =>
      asAdmin(instanceId, jid, async (group) => {
        const { results, changed } = changedBy(action, group.participants, participants)
        await store.save(instanceId, { ...group, participants: changed })
        return results
      }),

    leave: (instanceId, jid) =>
      withGroup(instanceId, jid, (group, own) =>
        store.save(instanceId, {
          ...group,
          participants: group.participants.filter(({ jid }) => jid !== own),
        }),
      ),

    inviteCode: (instanceId, jid) => asAdmin(instanceId, jid, ({ inviteCode }) => inviteCode),

    revokeInvite: (instanceId, jid) =>
      asAdmin(instanceId, jid, async (group) => {
        const inviteCode = newInviteCode()
        await store.save(instanceId, { ...group, inviteCode })
        return inviteCode
      }),
  }
}

/**
 * Somebody writes in a group: so it exists, and both the author and the phone are in it. Who writes first has made it.
 * Answers the name that the group has by now.
 */
export const createGroupSightings =
  (store: GroupStore, inTurn: Turns) =>
  (
    session: Session,
    own: string,
    seen: { readonly chat: string; readonly chatName?: string; readonly sender: string },
  ): Promise<string | undefined> => {
    const { instanceId } = session
    const { chat, chatName, sender } = seen
    const look = async () => {
      const known = await store.find(instanceId, chat)
      const before = known ?? newGroup(chat, sender)
      const others = [sender, own].filter((jid, n, all) => all.indexOf(jid) === n && !isIn(before, jid))
      // A name that stands for the group's address does not rename it.
      const isAddress = chatName === undefined || chat === namedGroup(instanceId, chatName)
      const subject = (isAddress ? before.subject : null) ?? chatName ?? null
      const participants = [...before.participants, ...others.map((jid) => ({ jid, admin: null }))]
      const after = { ...before, subject, participants }
      if (!isDeepStrictEqual(known, after)) await store.save(instanceId, after)
      return subject ?? undefined
    }
    return underway(session, inTurn(turnOf(instanceId, chat), look))
  }
export type GroupSightings = ReturnType<typeof createGroupSightings>

export const ownJid = ({ phoneNumber }: { readonly phoneNumber: string }) =>
  toPerson(phoneNumber, 'phone_number')
const turnOf = (instanceId: string, jid: string) => `${instanceId} ${jid}`

export const isIn = ({ participants }: { readonly participants: Participants }, person: string) =>
  participants.some(({ jid }) => jid === person)

const newGroup = (jid: string, owner: string): StoredGroup => ({
  jid,
  subject: null,
  description: null,
  owner,
  participants: [{ jid: owner, admin: 'superadmin' }],
  inviteCode: newInviteCode(),
})
const newInviteCode = () => randomBytes(INVITE_CODE_BYTES).toString('hex')
/** In the form of WhatsApp's own ids: 18 digits. */
const newGroupJid = () =>
  `120363${Array.from({ length: 2 }, () => String(randomInt(1_000_000)).padStart(6, '0')).join('')}@g.us`

const metadataOf = ({ jid, subject, description, owner, participants }: StoredGroup): GroupMetadata => ({
  jid,
  subject: subject ?? numberOf(jid),
  ...(description !== null && { description }),
  owner,
  participants,
})

/** People whose number ends in this do not let themselves be added: for tests of what goes wrong in part. */
const UNWILLING = '0000'

/** What is answered for each person, and who is in the group afterwards. */
const changedBy = (action: ParticipantAction, participants: Participants, persons: readonly string[]) => {
  const known = new Map(participants.map((participant) => [participant.jid, participant]))
  const results = persons.map((jid) => {
    const status = statusOf(action, jid, known.get(jid))
    if (status === 200) {
      if (action === 'remove') known.delete(jid)
      else known.set(jid, { jid, admin: roleAfter(action, known.get(jid)) })
    }
    return { jid, status }
  })
  return { results, changed: [...known.values()] }
}

const statusOf = (action: ParticipantAction, jid: string, known: GroupParticipant | undefined): number => {
  if (action === 'add') return known ? 409 : numberOf(jid).endsWith(UNWILLING) ? 403 : 200
  if (!known) return 404
  return known.admin === 'superadmin' && action !== 'promote' ? 406 : 200
}

const roleAfter = (
  action: ParticipantAction,
  known: GroupParticipant | undefined,
): GroupParticipant['admin'] => (action === 'promote' ? (known?.admin ?? 'admin') : null)
