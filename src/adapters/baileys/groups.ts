import type { GroupMetadata as RawGroup, WASocket } from '@whiskeysockets/baileys'
import { notFound, Refusal } from '../../domain/errors.ts'
import type { ParticipantResult } from '../../domain/group.ts'
import type { GroupGateway } from '../../ports/groups.ts'
import { numbersOf } from './addresses.ts'
import { CallRefused, type OpenSocket, type SocketOf } from './ask.ts'
import { groupOf, hiddenIn, membersOf, numbersIn, participantIn, resultsOf } from './group-answers.ts'

const NOT_IN_IT = 404
/** WhatsApp says so to strangers and to members who are no admins alike; about the invite code it says 401. */
const isDenial = (code: number | undefined) => code === 401 || code === 403

/** The groups of WhatsApp itself. */
export const baileysGroups = (socketOf: SocketOf): GroupGateway => {
  const look = ({ sock, ask }: OpenSocket, jid: string) =>
    ask('group metadata', () => sock.groupMetadata(jid))

  /** Asks something about one group; whether a no means the group or the rank, a look at the group tells. */
  const ofGroup = async <T>(
    open: OpenSocket,
    jid: string,
    name: string,
    call: (sock: WASocket) => Promise<T>,
  ): Promise<T> => {
    try {
      return await open.ask(name, () => call(open.sock))
    } catch (error) {
      if (!(error instanceof CallRefused)) throw error
      if (isDenial(error.code)) await look(open, jid).catch(hideStrangers)
      throw refusalOf(error)
    }
  }
  const metadata = async (open: OpenSocket, jid: string) => look(open, jid).catch(hideStrangers)

  /** Changes the people of a group, who are named to WhatsApp as the group has them. */
  const changeMembers = async (
    open: OpenSocket,
    jid: string,
    action: 'remove' | 'promote' | 'demote',
    persons: readonly string[],
  ): Promise<ParticipantResult[]> => {
    const raw = await metadata(open, jid)
    const numberOf = await numbersFor(open, [raw])
    const members = persons.flatMap((person) => participantIn(raw, person, numberOf) ?? [])
    const ids = members.map(({ id }) => id)
    const answered =
      ids.length === 0
        ? []
        : await ofGroup(open, jid, `group ${action}`, (sock) =>
            sock.groupParticipantsUpdate(jid, ids, action),
          )
    const results = new Map(
      resultsOf(ids, answered, numberOf).map(({ jid, status }) => [numberOf(jid), status]),
    )
    return persons.map((person) => ({ jid: person, status: results.get(numberOf(person)) ?? NOT_IN_IT }))
  }

  return {
    list: async (instanceId) => {
      const open = socketOf(instanceId)
      const { sock, ask } = open
      const raw = Object.values(
        await ask('list groups', () => sock.groupFetchAllParticipating()).catch(explain),
      )
      const numberOf = await numbersFor(open, raw)
      return raw.map((group) => groupOf(group, numberOf))
    },

    metadata: async (instanceId, jid) => {
      const open = socketOf(instanceId)
      const raw = await metadata(open, jid)
      return groupOf(raw, await numbersFor(open, [raw]))
    },

    create: async (instanceId, { subject, participants }) => {
      const open = socketOf(instanceId)
      const { sock, ask } = open
      const made = await ask('create group', () => sock.groupCreate(subject, [...participants])).catch(
        explain,
      )
      // The answer also names those who did not get in. If the look fails, the group is there nevertheless.
      const raw = await look(open, made.id).catch(() => made)
      const numberOf = await numbersFor(open, [raw])
      return { group: groupOf(raw, numberOf), results: membersOf(raw, participants, numberOf) }
    },

    setSubject: async (instanceId, jid, subject) =>
      ofGroup(socketOf(instanceId), jid, 'group subject', (sock) => sock.groupUpdateSubject(jid, subject)),

    setDescription: async (instanceId, jid, description) =>
      ofGroup(socketOf(instanceId), jid, 'group description', (sock) =>
        sock.groupUpdateDescription(jid, description || undefined),
      ),

    changeParticipants: async (instanceId, jid, action, participants) => {
      const open = socketOf(instanceId)
      if (action !== 'add') return changeMembers(open, jid, action, participants)
      const answered = await ofGroup(open, jid, 'group add', (sock) =>
        sock.groupParticipantsUpdate(jid, [...participants], action),
      )
      const asked = answered.flatMap(({ jid: person }) => person ?? [])
      return resultsOf(participants, answered, numbersIn([], await numbersOf(open.sock, asked)))
    },

    leave: async (instanceId, jid) => {
      const open = socketOf(instanceId)
      // To leave a group that one is not in counts as done at WhatsApp.
      await metadata(open, jid)
      await ofGroup(open, jid, 'leave group', (sock) => sock.groupLeave(jid))
    },

    inviteCode: async (instanceId, jid) =>
      given(await ofGroup(socketOf(instanceId), jid, 'invite code', (sock) => sock.groupInviteCode(jid))),

    revokeInvite: async (instanceId, jid) =>
      given(await ofGroup(socketOf(instanceId), jid, 'revoke invite', (sock) => sock.groupRevokeInvite(jid))),
  }
}

const numbersFor = async ({ sock }: OpenSocket, groups: readonly RawGroup[]) =>
  numbersIn(groups, await numbersOf(sock, hiddenIn(groups)))

const given = (code: string | undefined): string => {
  if (code === undefined) throw new Refusal('UNAVAILABLE', 'WhatsApp answered without a code. Try again.')
  return code
}

/** What a no of WhatsApp means to whoever asked. */
const refusalOf = ({ code, message }: CallRefused): Refusal => {
  if (code === 404) return notFound('Group')
  if (isDenial(code)) return new Refusal('FORBIDDEN', 'The instance is not an admin of this group.')
  const says = code === undefined ? message : `${code} ${message}`
  return new Refusal('REFUSED_BY_WHATSAPP', `WhatsApp refused this: ${says}.`)
}

const explain = (error: unknown): never => {
  throw error instanceof CallRefused ? refusalOf(error) : error
}

/** Who may not even look at a group is not in it. */
const hideStrangers = (error: unknown): never => {
  if (error instanceof CallRefused && isDenial(error.code)) throw notFound('Group')
  return explain(error)
}
