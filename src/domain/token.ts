import { Type } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { SerialNumber, Time, Uuid } from './values.ts'

/** A token acts for a user, or for an instance. */
const Holder = Type.Union([
  Type.Object({ kind: Type.Literal('user'), userId: Uuid }),
  Type.Object({ kind: Type.Literal('instance'), instanceId: Uuid }),
])

export const tokenEvents = {
  TokenIssued: eventSchema(
    Type.Object({
      number: SerialNumber,
      holder: Holder,
      name: Type.String(),
      /** SHA-256 of the token, hex. The token itself is shown once and kept nowhere. */
      hash: Type.String(),
      expiresAt: Type.Optional(Time),
      at: Time,
    }),
  ),
  TokenRevoked: eventSchema(Type.Object({ at: Time })),
}
export type TokenEvent = EventOf<typeof tokenEvents>
export type TokenIssued = Extract<TokenEvent, { type: 'TokenIssued' }>['data']
export type TokenHolder = TokenIssued['holder']

export type Token = { readonly status: 'none' | 'live' | 'revoked' }

export const Token: Decider<Token, TokenEvent> = {
  category: 'token',
  events: tokenEvents,
  initial: { status: 'none' },
  evolve: (_state, event) => ({ status: event.type === 'TokenIssued' ? 'live' : 'revoked' }),
}

type Decision = Decide<Token, TokenEvent>

export const issue =
  (command: TokenIssued): Decision =>
  ({ status }) =>
    status === 'none' ? [{ type: 'TokenIssued', data: command }] : []

export const revoke =
  (at: string): Decision =>
  ({ status }) =>
    status === 'live' ? [{ type: 'TokenRevoked', data: { at } }] : []
