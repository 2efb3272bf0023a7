/** The groups of the stand-in: who is in them, who may do what, and how the members hear of it. */
import { randomBytes, randomInt } from 'node:crypto'
import type { BinaryNode } from '@whiskeysockets/baileys'
import { newStanzaId, now } from './stanza.ts'
import type { Addressing, Group, Person, WhatsApp } from './types.ts'

/** As WhatsApp says them; members that are neither have none. Who made the group is its superadmin. */
export type Role = 'superadmin' | 'admin' | undefined
export type ParticipantAction = 'add' | 'remove' | 'promote' | 'demote'
/** Only admins write (`announcement`); only admins change what all see (`locked`). */
export type GroupSetting = 'announcement' | 'not_announcement' | 'locked' | 'unlocked'

export type GroupState = Group & {
  subject: string
  subjectBy: Person
  subjectAt: string
  description: { readonly id: string; readonly text: string; readonly by: Person; readonly at: string } | null
  inviteCode: string
  announcement: boolean
  locked: boolean
  readonly owner: Person
  readonly createdAt: string
  readonly roles: Map<Person, Role>
}

/** A no of WhatsApp, as it stands in an `<error>`. */
export class Refused extends Error {
  readonly code: string
  constructor(code: string, text: string) {
    super(text)
    this.code = code
  }
}

/** What became of one of the participants named: 403 has to be invited, 404 is nobody or not in it, 409 is in it already. */
export type ParticipantResult = { readonly jid: string; readonly error?: '403' | '404' | '406' | '409' }

const newCode = () => randomBytes(16).toString('base64url')
const newId = () => `120363${String(randomInt(1e12)).padStart(12, '0')}@g.us`

export const addGroups = (whatsApp: WhatsApp) => {
  const states = new Map<string, GroupState>()
  /** They let nobody take them into groups. */
  const unwilling = new Set<Person>()

  const notify = (group: GroupState, actor: Person, change: BinaryNode, alsoTo: readonly Person[] = []) => {
    const { id, addressing } = group
    const attrs = {
      from: id,
      type: 'w:gp2',
      participant: actor.address(addressing),
      ...(addressing === 'lid' && { participant_pn: actor.jid }),
      notify: actor.name,
      t: now(),
    }
    for (const person of new Set([...group.members, ...alsoTo]))
      for (const deviceId of person.devices.keys()) {
        const node = {
          tag: 'notification',
          attrs: { ...attrs, id: newStanzaId() },
          content: [change],
        }
        whatsApp.deliver(person, deviceId, node)
      }
  }

  const groupOf = (id: string): GroupState => {
    const group = states.get(id)
    if (!group) throw new Refused('404', 'item-not-found')
    return group
  }
  const asMember = (id: string, who: Person): GroupState => {
    const group = groupOf(id)
    if (!group.roles.has(who)) throw new Refused('403', 'forbidden')
    return group
  }
  const asAdmin = (id: string, who: Person, no = new Refused('403', 'forbidden')): GroupState => {
    const group = groupOf(id)
    if (!group.roles.get(who)) throw no
    return group
  }
  /** What all see is for admins if the group is locked, and otherwise for every member. */
  const asEditor = (id: string, who: Person) => (groupOf(id).locked ? asAdmin(id, who) : asMember(id, who))

  const invitedTo = (code: string): GroupState => {
    const group = [...states.values()].find(({ inviteCode }) => inviteCode === code)
    if (!group) throw new Refused('406', 'not-acceptable')
    return group
  }

  /** `previous` is the id of the description that it takes the place of. */
  const setDescription = (
    by: Person,
    id: string,
    text: string,
    newId: string,
    previous: string | undefined,
  ) => {
    const group = asEditor(id, by)
    if (previous !== group.description?.id) throw new Refused('409', 'conflict')
    group.description = text === '' ? null : { id: newId, text, by, at: now() }
    notify(group, by, {
      tag: 'description',
      attrs: text === '' ? { delete: 'true' } : { id: newId },
      ...(text !== '' && { content: [{ tag: 'body', attrs: {}, content: Buffer.from(text) }] }),
    })
  }

  const errorOf = (action: ParticipantAction, group: GroupState, person: Person | undefined) => {
    if (!person) return '404'
    const isIn = group.roles.has(person)
    if (action === 'add') return isIn ? '409' : unwilling.has(person) ? '403' : undefined
    if (!isIn) return '404'
    return group.roles.get(person) === 'superadmin' && action !== 'promote' ? '406' : undefined
  }
  /** Does it to one person; says what is wrong if it cannot be done. */
  const changeOne = (group: GroupState, action: ParticipantAction, jid: string): ParticipantResult => {
    const person = whatsApp.find(jid)
    const error = errorOf(action, group, person)
    if (error !== undefined || !person) return { jid, error: error ?? '404' }
    if (action === 'remove') group.roles.delete(person)
    else group.roles.set(person, action === 'promote' ? (group.roles.get(person) ?? 'admin') : undefined)
    return { jid }
  }

  const participants = (by: Person, id: string, action: ParticipantAction, jids: readonly string[]) => {
    const group = asAdmin(id, by)
    const results = jids.map((jid) => changeOne(group, action, jid))
    const changed = results
      .filter(({ error }) => error === undefined)
      .flatMap(({ jid }) => whatsApp.find(jid) ?? [])
    const content = changed.map((person) => participantNode(group, person))
    if (changed.length > 0) notify(group, by, { tag: action, attrs: {}, content }, changed)
    return results
  }

  return {
    /** By address, newest last. */
    states: states as ReadonlyMap<string, GroupState>,
    unwilling,
    metadata: asMember,
    of: (who: Person) => [...states.values()].filter(({ roles }) => roles.has(who)),

    /** Takes in who can be; the results say of each whether. */
    create: (
      by: Person,
      subject: string,
      jids: readonly string[],
      options: { readonly addressing?: Addressing; readonly locked?: boolean; readonly key?: string } = {},
    ) => {
      const at = now()
      const roles = new Map<Person, Role>([[by, 'superadmin']])
      const group: GroupState = {
        id: newId(),
        addressing: options.addressing ?? whatsApp.addressing,
        get members() {
          return [...roles.keys()]
        },
        mayWrite: (person) => (group.announcement ? roles.get(person) !== undefined : roles.has(person)),
        subject,
        subjectBy: by,
        subjectAt: at,
        description: null,
        inviteCode: newCode(),
        announcement: false,
        locked: options.locked ?? false,
        owner: by,
        createdAt: at,
        roles,
      }
      const results = jids.map((jid) => changeOne(group, 'add', jid))
      states.set(group.id, group)
      whatsApp.groups.set(group.id, group)
      const attrs = { type: 'new', key: options.key ?? randomBytes(8).toString('hex') }
      notify(group, by, { tag: 'create', attrs, content: [groupNode(group)] })
      return { group, results }
    },

    setSubject: (by: Person, id: string, subject: string) => {
      const group = asEditor(id, by)
      Object.assign(group, { subject, subjectBy: by, subjectAt: now() })
      const attrs = { subject, s_t: group.subjectAt, s_o: by.address(group.addressing) }
      notify(group, by, { tag: 'subject', attrs })
    },

    setDescription,
    /** As the phone of the person does: in the place of what is there. */
    describe: (by: Person, id: string, text: string) =>
      setDescription(by, id, text, randomBytes(8).toString('hex'), groupOf(id).description?.id),

    participants,

    leave: (who: Person, id: string) => {
      const group = asMember(id, who)
      const content = [participantNode(group, who)]
      group.roles.delete(who)
      notify(group, who, { tag: 'remove', attrs: {}, content }, [who])
    },

    setSetting: (by: Person, id: string, setting: GroupSetting) => {
      const group = asAdmin(id, by)
      if (setting === 'announcement' || setting === 'not_announcement')
        group.announcement = setting === 'announcement'
      else group.locked = setting === 'locked'
      notify(group, by, { tag: setting, attrs: {} })
    },

    inviteCode: (by: Person, id: string) => asAdmin(id, by, new Refused('401', 'not-authorized')).inviteCode,

    revokeInvite: (by: Person, id: string) => {
      const group = asAdmin(id, by, new Refused('401', 'not-authorized'))
      group.inviteCode = newCode()
      notify(group, by, { tag: 'invite', attrs: { code: group.inviteCode } })
      return group.inviteCode
    },

    invitedTo,

    join: (who: Person, code: string): GroupState => {
      const group = invitedTo(code)
      if (group.roles.has(who)) throw new Refused('409', 'conflict')
      group.roles.set(who, undefined)
      notify(group, who, { tag: 'add', attrs: { reason: 'invite' }, content: [participantNode(group, who)] })
      return group
    },
  }
}
export type Groups = ReturnType<typeof addGroups>

/** In a group of hidden ids, the number is beside the id; in one of numbers, the id beside the number. */
const participantNode = ({ addressing, roles }: GroupState, person: Person): BinaryNode => {
  const role = roles.get(person)
  return {
    tag: 'participant',
    attrs: {
      jid: person.address(addressing),
      ...(addressing === 'lid' ? { phone_number: person.jid } : { lid: person.lid }),
      ...(role && { type: role }),
    },
  }
}

export const groupNode = (group: GroupState): BinaryNode => {
  const { id, subject, description, owner, createdAt, addressing, subjectAt, subjectBy, members } = group
  return {
    tag: 'group',
    attrs: {
      id: id.slice(0, id.indexOf('@')),
      subject,
      s_t: subjectAt,
      s_o: subjectBy.address(addressing),
      ...(addressing === 'lid' && { s_o_pn: subjectBy.jid, creator_pn: owner.jid }),
      creation: createdAt,
      creator: owner.address(addressing),
      addressing_mode: addressing,
      size: String(members.length),
    },
    content: [
      ...(description ? [descriptionNode(group, description)] : []),
      ...(group.announcement ? [{ tag: 'announcement', attrs: {} }] : []),
      ...(group.locked ? [{ tag: 'locked', attrs: {} }] : []),
      ...members.map((person) => participantNode(group, person)),
    ],
  }
}

const descriptionNode = (
  { addressing }: GroupState,
  { id, text, by, at }: NonNullable<GroupState['description']>,
): BinaryNode => ({
  tag: 'description',
  attrs: {
    id,
    t: at,
    participant: by.address(addressing),
    ...(addressing === 'lid' && { participant_pn: by.jid }),
  },
  content: [{ tag: 'body', attrs: {}, content: Buffer.from(text) }],
})
