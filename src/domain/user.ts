import { Type } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { Refusal } from './errors.ts'
import { literals, PersonalText, SerialNumber, Time } from './values.ts'

export const roles = ['admin', 'agent', 'viewer'] as const
export type Role = (typeof roles)[number]

export const userEvents = {
  UserCreated: eventSchema(
    Type.Object({
      number: SerialNumber,
      email: PersonalText,
      name: PersonalText,
      role: literals(roles),
      passwordHash: Type.String(),
      at: Time,
    }),
  ),
}
export type UserEvent = EventOf<typeof userEvents>
export type User = { readonly exists: boolean }

/** A person who logs in. The stream's id derives from the e-mail address, so an address has one account. */
export const User: Decider<User, UserEvent> = {
  category: 'user',
  events: userEvents,
  initial: { exists: false },
  evolve: () => ({ exists: true }),
}

export const createUser =
  (command: UserEvent['data']): Decide<User, UserEvent> =>
  ({ exists }) => {
    if (exists) throw new Refusal('CONFLICT', 'There is already a user with this e-mail address.')
    return [{ type: 'UserCreated', data: command }]
  }
