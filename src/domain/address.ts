import { Type } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { PersonalText, Time, Uuid } from './values.ts'

export const addressEvents = {
  /** Who is reached under `from` is known by `to`: a hidden id and a number, or two spellings of a number. */
  AddressLinked: eventSchema(
    Type.Object({ instanceId: Uuid, from: PersonalText, to: PersonalText, at: Time }),
  ),
  /** Whose other name it is shall not be known any more, until WhatsApp says it again. */
  AddressForgotten: eventSchema(Type.Object({ instanceId: Uuid, at: Time })),
}
export type AddressEvent = EventOf<typeof addressEvents>

export type Address = {
  /** JID by which the person is known instead. */
  readonly to?: string
}

/** A JID that is another name of somebody. One that is the only name has no stream. */
export const Address: Decider<Address, AddressEvent> = {
  category: 'address',
  events: addressEvents,
  initial: {},
  evolve: (_state, event) => (event.type === 'AddressLinked' ? { to: event.data.to } : {}),
}

/** Takes down whose other name it is, once: another person's it does not become. */
export const link =
  (instanceId: string, from: string, to: string, at: string): Decide<Address, AddressEvent> =>
  (address) =>
    address.to === undefined && from !== to
      ? [{ type: 'AddressLinked', data: { instanceId, from, to, at } }]
      : []

export const forget =
  (instanceId: string, at: string): Decide<Address, AddressEvent> =>
  ({ to }) =>
    to === undefined ? [] : [{ type: 'AddressForgotten', data: { instanceId, at } }]
