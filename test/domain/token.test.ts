import { expect, test } from 'vitest'
import { fold } from '../../src/domain/decider.ts'
import { issue, revoke, Token, type TokenEvent } from '../../src/domain/token.ts'
import { AT, INSTANCE, later } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const token = specification(Token)
const command = {
  number: 1,
  holder: { kind: 'instance', instanceId: INSTANCE },
  name: 'CRM',
  hash: 'a'.repeat(64),
  at: AT,
} as const
const issued: TokenEvent = { type: 'TokenIssued', data: command }
const revoked: TokenEvent = { type: 'TokenRevoked', data: { at: AT } }

test('a token is issued once', () => token.given().when(issue(command)).then(issued))
test('a live token is revoked once', () => token.given(issued).when(revoke(AT)).then(revoked))
test('a token that was never issued cannot be revoked', () => token.given().when(revoke(AT)).then())
test('a revoked token never lives again', () => {
  token.given(issued, revoked).when(issue(command)).then()
  token
    .given(issued, revoked)
    .when(revoke(later(1)))
    .then()
  expect(fold(Token, [issued, revoked])).toEqual({ status: 'revoked' })
})
