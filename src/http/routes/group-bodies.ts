import { Type } from 'typebox'
import { invalid, notFound, Refusal } from '../../domain/errors.ts'
import { isDone, type ParticipantAction, type ParticipantResult } from '../../domain/group.ts'
import { toPerson } from '../../domain/values.ts'
import type { GroupMetadata } from '../../ports/groups.ts'
import { Nullable } from '../format.ts'

const PARTICIPANTS_MAX = 1024
/** More would not fit into a URL. */
const IN_QUERY_MAX = 100

export const Subject = Type.String({ minLength: 1, maxLength: 100, description: 'Name of the group' })
export const Description = Type.String({ maxLength: 2048, description: 'Empty: takes it away' })
export const Participants = Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
  minItems: 1,
  maxItems: PARTICIPANTS_MAX,
  description: 'Numbers or JIDs of people',
})
/** The same in a query string. */
export const ParticipantsInQuery = Type.Array(
  Type.String({ minLength: 1, maxLength: 40, pattern: '^[\\w@.:+() -]+$' }),
  { minItems: 1, maxItems: IN_QUERY_MAX, description: 'Numbers or JIDs of people' },
)

const listed = {
  jid: Type.String({ description: 'JID of the group' }),
  subject: Type.String(),
  owner: Nullable,
  size: Type.Integer({ description: 'How many are in it' }),
  description: Nullable,
}
export const GroupItem = Type.Object(listed)
export const GroupView = Type.Object({
  ...listed,
  participants: Type.Array(
    Type.Object({
      jid: Type.String(),
      admin: Type.Union([Type.Literal('admin'), Type.Literal('superadmin'), Type.Null()]),
    }),
  ),
})
export const ResultView = Type.Object({
  jid: Type.String(),
  success: Type.Boolean(),
  status: Type.Integer({ description: 'What WhatsApp answered about this person; 200: done' }),
  error: Nullable,
})

export const groupItem = ({ jid, subject, owner, description, participants }: GroupMetadata) => ({
  jid,
  subject,
  owner: owner ?? null,
  size: participants.length,
  description: description ?? null,
})

export const groupView = (group: GroupMetadata) => ({
  ...groupItem(group),
  participants: group.participants.map(({ jid, admin }) => ({ jid, admin })),
})

/** JID of the group that a path names, by JID or bare id. */
export const groupJidOf = (ref: string): string => {
  const jid = ref.includes('@') ? ref : `${ref}@g.us`
  if (!/^\d[\d-]{4,39}@g\.us$/.test(jid)) throw notFound('Group')
  return jid
}

/** JIDs of the people named, each once. */
export const participantsOf = (given: readonly string[] | undefined): string[] => {
  if (!given) throw invalid('participants', 'is required')
  return [...new Set(given.map((text, n) => toPerson(text, `participants.${n}`)))]
}

export const resultView = (action: ParticipantAction, { jid, status }: ParticipantResult) => ({
  jid,
  success: isDone({ jid, status }),
  status,
  error: isDone({ jid, status }) ? null : reasonOf(action, status),
})

const reasonOf = (action: ParticipantAction, status: number): string => {
  switch (status) {
    case 403:
      return 'WhatsApp does not let this person be added. Send the invite link instead.'
    case 404:
      return action === 'add' ? 'Not on WhatsApp.' : 'Not in the group.'
    case 406:
      return 'Not possible for the creator of the group.'
    case 408:
      return 'Left the group recently. Send the invite link instead.'
    case 409:
      return 'Already in the group.'
    default:
      return `WhatsApp refused with status ${status}.`
  }
}

const doneTo: Readonly<Record<ParticipantAction, string>> = {
  add: 'added',
  remove: 'removed',
  promote: 'promoted to admin',
  demote: 'demoted from admin',
}
const people = (count: number) => `${count} participant${count === 1 ? '' : 's'}`

/** `2 participants added`, `1 of 2 participants added`. */
export const countsOf = (action: ParticipantAction, results: readonly ParticipantResult[]): string => {
  const done = results.filter(isDone).length
  return `${done === results.length ? '' : `${done} of `}${people(results.length)} ${doneTo[action]}`
}

/** Refuses if WhatsApp took none of them. */
export const mustHaveSucceeded = (action: ParticipantAction, results: readonly ParticipantResult[]) => {
  if (results.some(isDone)) return
  throw new Refusal(
    'REFUSED_BY_WHATSAPP',
    `${countsOf(action, results)}: "results" says why for each of them.`,
    { results: results.map((result) => resultView(action, result)) },
  )
}
