import { Type } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { notFound, Refusal } from './errors.ts'
import { literals, PersonalText, SerialNumber, Time, Uuid } from './values.ts'

export const roles = ['admin', 'agent', 'viewer'] as const
export type Role = (typeof roles)[number]

const At = Type.Object({ at: Time })

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
  /** What is left out stays as it was. */
  UserChanged: eventSchema(
    Type.Object({ name: Type.Optional(PersonalText), role: Type.Optional(literals(roles)), at: Time }),
  ),
  /** None of the user's tokens works until the user is enabled again. */
  UserDisabled: eventSchema(At),
  UserEnabled: eventSchema(At),
  /** Ends every token that the user had by then, but for the one that a user changed the password with. */
  UserPasswordSet: eventSchema(
    Type.Object({ passwordHash: Type.String(), keptTokenId: Type.Optional(Uuid), at: Time }),
  ),
}
export type UserEvent = EventOf<typeof userEvents>
type Created = Extract<UserEvent, { type: 'UserCreated' }>['data']

export type User = {
  readonly exists: boolean
  readonly disabled: boolean
  readonly name?: string
  readonly role?: Role
  readonly passwordHash?: string
}

/** A person who logs in. The stream's id derives from the e-mail address, so an address has one account. */
export const User: Decider<User, UserEvent> = {
  category: 'user',
  events: userEvents,
  initial: { exists: false, disabled: false },
  evolve: (state, event) => {
    switch (event.type) {
      case 'UserCreated': {
        const { name, role, passwordHash } = event.data
        return { exists: true, disabled: false, name, role, passwordHash }
      }
      case 'UserChanged': {
        const { at: _at, ...changed } = event.data
        return { ...state, ...changed }
      }
      case 'UserDisabled':
        return { ...state, disabled: true }
      case 'UserEnabled':
        return { ...state, disabled: false }
      case 'UserPasswordSet':
        return { ...state, passwordHash: event.data.passwordHash }
    }
  },
}

type Decision = Decide<User, UserEvent>

export const createUser =
  (command: Created): Decision =>
  ({ exists }) => {
    if (exists) throw new Refusal('CONFLICT', 'There is already a user with this e-mail address.')
    return [{ type: 'UserCreated', data: command }]
  }

const existing = ({ exists }: User) => {
  if (!exists) throw notFound('User')
}

/** Somebody has to be left who can let others in. */
const mustBeDispensable = ({ role, disabled }: User, isOnlyAdmin: boolean) => {
  if (role === 'admin' && !disabled && isOnlyAdmin)
    throw new Refusal(
      'CONFLICT',
      'This is the only administrator of the account. Make another user an administrator first.',
    )
}

/** `isOnlyAdmin`: the tenant has no other administrator who can log in. */
export const changeUser =
  (wanted: { name?: string; role?: Role }, isOnlyAdmin: boolean, at: string): Decision =>
  (user) => {
    existing(user)
    const name = wanted.name === user.name ? undefined : wanted.name
    const role = wanted.role === user.role ? undefined : wanted.role
    if (role !== undefined) mustBeDispensable(user, isOnlyAdmin)
    if (name === undefined && role === undefined) return []
    const data = { ...(name !== undefined && { name }), ...(role !== undefined && { role }), at }
    return [{ type: 'UserChanged', data }]
  }

export const disableUser =
  ({ isSelf, isOnlyAdmin }: { isSelf: boolean; isOnlyAdmin: boolean }, at: string): Decision =>
  (user) => {
    existing(user)
    if (user.disabled) return []
    if (isSelf) throw new Refusal('CONFLICT', 'Nobody can disable himself. Ask another administrator.')
    mustBeDispensable(user, isOnlyAdmin)
    return [{ type: 'UserDisabled', data: { at } }]
  }

export const enableUser =
  (at: string): Decision =>
  (user) => {
    existing(user)
    return user.disabled ? [{ type: 'UserEnabled', data: { at } }] : []
  }

/** `keptTokenId`: the token of a user who sets his own password; it goes on working. */
export const setPassword =
  (passwordHash: string, keptTokenId: string | undefined, at: string): Decision =>
  (user) => {
    existing(user)
    if (user.passwordHash === passwordHash) return []
    const kept = keptTokenId !== undefined && { keptTokenId }
    return [{ type: 'UserPasswordSet', data: { passwordHash, ...kept, at } }]
  }
