import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fold, type Decide } from '../../src/domain/decider.ts'
import {
  changeUser,
  createUser,
  disableUser,
  enableUser,
  roles,
  setPassword,
  User,
  type UserEvent,
} from '../../src/domain/user.ts'
import { AT, later } from '../support/facts.ts'
import { decideOrNothing, specification } from '../support/given.ts'

const user = specification(User)
const command = {
  number: 1,
  email: 'ann@example.com',
  name: 'Ann',
  role: 'admin',
  passwordHash: 'old',
  at: AT,
} as const
const admin: UserEvent = { type: 'UserCreated', data: command }
const agent: UserEvent = { type: 'UserCreated', data: { ...command, role: 'agent' } }
const disabled: UserEvent = { type: 'UserDisabled', data: { at: AT } }
const enabled: UserEvent = { type: 'UserEnabled', data: { at: AT } }
const changed = (data: object): UserEvent => ({ type: 'UserChanged', data: { ...data, at: AT } })
const OTHERS = { isSelf: false, isOnlyAdmin: false }

describe('a user', () => {
  test('gets another name or role; only what differs is told', () => {
    user
      .given(admin)
      .when(changeUser({ name: 'Ann S.' }, false, AT))
      .then(changed({ name: 'Ann S.' }))
    user
      .given(admin)
      .when(changeUser({ name: 'Ann', role: 'viewer' }, false, AT))
      .then(changed({ role: 'viewer' }))
    user
      .given(admin)
      .when(changeUser({ name: 'Ann', role: 'admin' }, false, AT))
      .then()
    user
      .given(admin)
      .when(changeUser({}, false, AT))
      .then()
  })
  test('is disabled once and enabled once', () => {
    user.given(agent).when(disableUser(OTHERS, AT)).then(disabled)
    user.given(agent, disabled).when(disableUser(OTHERS, AT)).then()
    user.given(agent, disabled).when(enableUser(AT)).then(enabled)
    user.given(agent).when(enableUser(AT)).then()
  })
  test('gets a new password, and keeps the token that it was set with', () => {
    user
      .given(agent)
      .when(setPassword('new', undefined, AT))
      .then({ type: 'UserPasswordSet', data: { passwordHash: 'new', at: AT } })
    const keptTokenId = '550e8400-e29b-41d4-a716-446655440011'
    user
      .given(agent, disabled)
      .when(setPassword('new', keptTokenId, AT))
      .then({ type: 'UserPasswordSet', data: { passwordHash: 'new', keptTokenId, at: AT } })
    expect(fold(User, [agent, disabled]).disabled).toBe(true)
  })
  test('has to be there', () => {
    user
      .given()
      .when(changeUser({ name: 'x' }, false, AT))
      .refuses('NOT_FOUND')
    user.given().when(disableUser(OTHERS, AT)).refuses('NOT_FOUND')
    user.given().when(enableUser(AT)).refuses('NOT_FOUND')
    user
      .given()
      .when(setPassword('new', undefined, AT))
      .refuses('NOT_FOUND')
  })
  test('does not disable himself, whatever his role', () => {
    for (const one of [admin, agent])
      user
        .given(one)
        .when(disableUser({ isSelf: true, isOnlyAdmin: false }, AT))
        .refuses('CONFLICT')
  })
})

describe('the only administrator who can log in', () => {
  const only = { isSelf: false, isOnlyAdmin: true }
  test('is neither disabled nor given another role', () => {
    user.given(admin).when(disableUser(only, AT)).refuses('CONFLICT')
    for (const role of ['agent', 'viewer'] as const)
      user
        .given(admin)
        .when(changeUser({ role }, true, AT))
        .refuses('CONFLICT')
  })
  test('may be renamed', () =>
    user
      .given(admin)
      .when(changeUser({ name: 'Eva', role: 'admin' }, true, AT))
      .then(changed({ name: 'Eva' })))
  test('holds up nobody else: agents, and administrators who are disabled', () => {
    user.given(agent).when(disableUser(only, AT)).then(disabled)
    user
      .given(agent)
      .when(changeUser({ role: 'viewer' }, true, AT))
      .then(changed({ role: 'viewer' }))
    user
      .given(admin, disabled)
      .when(changeUser({ role: 'agent' }, true, AT))
      .then(changed({ role: 'agent' }))
  })
})

describe('whatever is asked, in any order', () => {
  const role = fc.constantFrom(...roles)
  const decision: fc.Arbitrary<Decide<User, UserEvent>> = fc.oneof(
    role.map((role) => createUser({ ...command, role })),
    fc.tuple(role, fc.boolean()).map(([role, only]) => changeUser({ role }, only, later(1))),
    fc
      .tuple(fc.boolean(), fc.boolean())
      .map(([isSelf, isOnlyAdmin]) => disableUser({ isSelf, isOnlyAdmin }, later(2))),
    fc.constant(enableUser(later(3))),
    fc.constantFrom('a', 'b').map((hash) => setPassword(hash, undefined, later(4))),
  )
  test('no decision is written twice', () =>
    fc.assert(
      fc.property(fc.array(decision, { maxLength: 20 }), (decisions) => {
        let state = User.initial
        for (const decide of decisions) {
          state = fold(User, decideOrNothing(decide, state), state)
          expect(decideOrNothing(decide, state)).toEqual([])
        }
      }),
    ))
})
