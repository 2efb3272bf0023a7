import { isDeepStrictEqual } from 'node:util'
import { Type, type Static } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { literals, PersonalText, Time, Uuid } from './values.ts'

export const participantActions = ['add', 'remove', 'promote', 'demote'] as const
export type ParticipantAction = (typeof participantActions)[number]

/**
 * What WhatsApp answered about one person: 200 done, 403 has to be invited, 404 not there, 406 not possible for the
 * group's creator, 408 left recently, 409 already in it.
 */
const ParticipantResult = Type.Object({ jid: PersonalText, status: Type.Integer() })
export type ParticipantResult = Static<typeof ParticipantResult>

const DONE = 200
export const isDone = ({ status }: ParticipantResult) => status === DONE

const InGroup = { instanceId: Uuid, chat: PersonalText, at: Time }

export const groupEvents = {
  GroupCreated: eventSchema(
    Type.Object({ ...InGroup, subject: PersonalText, participants: Type.Array(ParticipantResult) }),
  ),
  GroupChanged: eventSchema(
    Type.Object({
      ...InGroup,
      subject: Type.Optional(PersonalText),
      /** Empty: taken away. */
      description: Type.Optional(PersonalText),
    }),
  ),
  GroupParticipantsChanged: eventSchema(
    Type.Object({
      ...InGroup,
      action: literals([...participantActions]),
      /** Also those that WhatsApp refused. */
      participants: Type.Array(ParticipantResult),
    }),
  ),
  GroupLeft: eventSchema(Type.Object(InGroup)),
  /** The invite link that was good until now is no more. */
  GroupInviteRevoked: eventSchema(Type.Object(InGroup)),
}
export type GroupEvent = EventOf<typeof groupEvents>

export type Group = { readonly last?: GroupEvent }

/**
 * What was done to a WhatsApp group through this program. The group itself is WhatsApp's: others change it too, so its
 * present state is asked there and is not made from these events.
 */
export const Group: Decider<Group, GroupEvent> = {
  category: 'group',
  events: groupEvents,
  initial: {},
  evolve: (_state, event) => ({ last: event }),
}

/** Writes down what WhatsApp has confirmed. */
export const record =
  (confirmed: GroupEvent): Decide<Group, GroupEvent> =>
  ({ last }) =>
    isDeepStrictEqual(last, confirmed) ? [] : [confirmed]
