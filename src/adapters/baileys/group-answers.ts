import { jidNormalizedUser, type BinaryNode, type GroupMetadata as RawGroup } from '@whiskeysockets/baileys'
import { Refusal } from '../../domain/errors.ts'
import type { ParticipantResult } from '../../domain/group.ts'
import type { GroupMetadata } from '../../ports/groups.ts'
import { isHidden } from './jids.ts'

/** A person's phone number JID, of any JID of theirs; the same JID where no number is known. */
export type NumberOf = (jid: string) => string

type RawParticipant = RawGroup['participants'][number]
type Answered = { readonly status: string; readonly jid: string | undefined; readonly content: BinaryNode }

const HAS_TO_BE_INVITED = 403

/** Every JID that a participant goes by: in a group of hidden ids `id` is one, and in others the number. */
const namesOf = ({ id, lid, phoneNumber }: RawParticipant) =>
  [id, lid, phoneNumber].flatMap((jid) => (jid ? [jidNormalizedUser(jid)] : []))

/** The hidden ids in groups that come without their numbers. */
export const hiddenIn = (groups: readonly RawGroup[]): string[] => [
  ...new Set(
    groups.flatMap(({ participants, owner, ownerPn }) => [
      ...participants.filter((one) => namesOf(one).every(isHidden)).map(({ id }) => jidNormalizedUser(id)),
      ...(owner && !ownerPn && isHidden(owner) ? [jidNormalizedUser(owner)] : []),
    ]),
  ),
]

/** Knows the numbers that the groups tell, and those that were known before. */
export const numbersIn = (groups: readonly RawGroup[], known: ReadonlyMap<string, string>): NumberOf => {
  const numbers = new Map(known)
  for (const participant of groups.flatMap(({ participants }) => participants)) {
    const names = namesOf(participant)
    const number = names.find((jid) => !isHidden(jid))
    if (number !== undefined) for (const name of names) numbers.set(name, number)
  }
  return (jid) => {
    const person = jidNormalizedUser(jid)
    return numbers.get(person) ?? person
  }
}

/** A group in our own words, its people by their numbers where those are known. */
export const groupOf = (raw: RawGroup, numberOf: NumberOf): GroupMetadata => {
  const owner = raw.ownerPn ?? raw.owner
  return {
    jid: raw.id,
    subject: raw.subject,
    ...(raw.desc && { description: raw.desc }),
    ...(owner && { owner: numberOf(owner) }),
    participants: raw.participants.map(({ id, admin }) => ({ jid: numberOf(id), admin: admin ?? null })),
  }
}

/** The participant of a group whom a caller means. */
export const participantIn = ({ participants }: RawGroup, jid: string, numberOf: NumberOf) =>
  participants.find((one) => namesOf(one).includes(jid) || numberOf(one.id) === numberOf(jid))

/** Who of those wanted is in a group that was just made; the others have to be invited. */
export const membersOf = (
  raw: RawGroup,
  wanted: readonly string[],
  numberOf: NumberOf,
): ParticipantResult[] =>
  wanted.map((jid) => ({ jid, status: participantIn(raw, jid, numberOf) ? 200 : HAS_TO_BE_INVITED }))

/**
 * What WhatsApp answered for each person asked for, who may go by another JID in the answer. Refuses with UNAVAILABLE if
 * it did not answer for all of them: silence is no success.
 */
export const resultsOf = (
  asked: readonly string[],
  answered: readonly Answered[],
  numberOf: NumberOf,
): ParticipantResult[] => {
  const left = new Set(answered)
  const take = (matching: (answer: Answered) => boolean) => {
    const found = [...left].find(matching)
    if (found) left.delete(found)
    return found
  }
  const statuses = new Map<string, number>()
  for (const jid of asked) {
    const isMeant = (name: string | undefined) => name !== undefined && numberOf(name) === numberOf(jid)
    const answer = take(({ jid: id, content }) =>
      [id, content.attrs.phone_number, content.attrs.lid].some(isMeant),
    )
    if (answer) statuses.set(jid, Number(answer.status))
  }
  const [unanswered, ...more] = asked.filter((jid) => !statuses.has(jid))
  // One question and one answer belong together, whatever name it is under.
  const [last] = left
  if (unanswered !== undefined && last && more.length === 0 && left.size === 1)
    statuses.set(unanswered, Number(last.status))
  return asked.map((jid) => {
    const status = statuses.get(jid)
    if (status === undefined || !Number.isInteger(status))
      throw new Refusal('UNAVAILABLE', 'WhatsApp did not say what became of each of these people.')
    return { jid, status }
  })
}
