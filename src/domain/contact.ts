import { isDeepStrictEqual } from 'node:util'
import { Type, type Static } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { invalid, notFound } from './errors.ts'
import { PersonalText, SerialNumber, Time, Uuid } from './values.ts'

const Place = Type.Object({
  number: SerialNumber,
  instanceId: Uuid,
  jid: PersonalText,
  /** What else it answers to: ids and numbers of those that became part of it before it was deleted. */
  aliases: Type.Optional(Type.Array(Type.String())),
})
/** What a user says about somebody; what is not said is left out. */
const Details = Type.Object({
  name: Type.Optional(PersonalText),
  email: Type.Optional(PersonalText),
  company: Type.Optional(PersonalText),
  notes: Type.Optional(PersonalText),
})

/** What WhatsApp and the phone say about somebody. */
const Heard = Type.Object({
  /** The name that people give themselves in WhatsApp. */
  pushName: Type.Optional(PersonalText),
  /** The name in the address book of the phone. */
  bookName: Type.Optional(PersonalText),
  business: Type.Optional(Type.Boolean()),
})

export const contactEvents = {
  /** Saved by a user; may have been learned before. */
  ContactCreated: eventSchema(Type.Object({ ...Place.properties, ...Details.properties, at: Time })),
  /** Somebody wrote who was not known, or something of them is known now; what is left out is not news. */
  ContactLearned: eventSchema(Type.Object({ ...Place.properties, ...Heard.properties, at: Time })),
  /** What is said about the contact from now on. */
  ContactChanged: eventSchema(Type.Object({ ...Details.properties, at: Time })),
  ContactDeleted: eventSchema(Type.Object({ at: Time })),
  /** It turned out to be somebody known already, by another JID. */
  ContactMerged: eventSchema(Type.Object({ instanceId: Uuid, into: Uuid, jid: PersonalText, at: Time })),
  /** On the stream of the one that goes on: everything that is known of both. */
  ContactUnited: eventSchema(
    Type.Object({
      ...Place.properties,
      ...Details.properties,
      ...Heard.properties,
      saved: Type.Boolean(),
      with: Uuid,
      aliases: Type.Array(Type.String()),
      at: Time,
    }),
  ),
}
export type ContactEvent = EventOf<typeof contactEvents>
export type ContactDetails = Readonly<Static<typeof Details>>

export type Person = {
  readonly instanceId: string
  readonly jid: string
  readonly pushName?: string
  readonly bookName?: string
  readonly business?: boolean
  readonly details: ContactDetails
  /** By a user; otherwise only learned. */
  readonly saved: boolean
  readonly createdAt: string
}

export type Contact = {
  /** Stays when the contact is deleted. */
  readonly number?: number
  /** What was heard before this is old news. */
  readonly heardAt?: string
  /** While there is a contact; what was known of one that was merged. */
  readonly person?: Person
  readonly mergedInto?: { readonly id: string; readonly jid: string }
  /** Contacts that became part of this one. */
  readonly united: readonly string[]
  /** Ids and numbers that it answers to besides its own. */
  readonly aliases: readonly string[]
}

/** Somebody whom an instance knows: saved by a user, or learned from what came in. */
export const Contact: Decider<Contact, ContactEvent> = {
  category: 'contact',
  events: contactEvents,
  initial: { united: [], aliases: [] },
  evolve: (state, event) => {
    switch (event.type) {
      case 'ContactCreated': {
        const { number, instanceId, jid, at, aliases: _known, ...details } = event.data
        const known = state.person ?? { instanceId, jid, createdAt: at }
        return { ...state, number, person: { ...known, details, saved: true } }
      }
      case 'ContactLearned': {
        const { number, at, aliases: _known, ...heard } = event.data
        const known = state.person ?? { details: {}, saved: false, createdAt: at }
        return { ...state, number, heardAt: at, person: { ...known, ...heard } }
      }
      case 'ContactChanged': {
        const { at: _at, ...details } = event.data
        return state.person ? { ...state, person: { ...state.person, details, saved: true } } : state
      }
      case 'ContactDeleted': {
        const { person: _person, ...rest } = state
        return { ...rest, heardAt: event.data.at }
      }
      case 'ContactMerged':
        return { ...state, mergedInto: { id: event.data.into, jid: event.data.jid } }
      case 'ContactUnited': {
        const { number, instanceId, jid, saved, with: other, aliases, at, ...known } = event.data
        const { pushName: _name, bookName: _book, business: _kind, ...details } = known
        const { createdAt = at } = state.person ?? {}
        return {
          ...state,
          number,
          person: { instanceId, jid, ...heardOf(known), details, saved, createdAt },
          united: [...state.united, other],
          aliases: [...state.aliases, ...aliases],
        }
      }
    }
  },
}

export type ContactDecision = Decide<Contact, ContactEvent>
export type ContactPlace = Pick<Readonly<Static<typeof Place>>, 'number' | 'instanceId' | 'jid'>
export type HeardOfContact = Readonly<Static<typeof Heard>>

/** What somebody is called: as a user says, else as the address book has it, else as they call themselves. */
export const nameOf = ({ details, bookName, pushName }: Person): string | undefined =>
  details.name ?? bookName ?? pushName

/** Characters; WhatsApp's own names are shorter. */
const NAME_MAX = 200
/** A name as it came from WhatsApp, without blanks around it and of a sound length; undefined if nothing is left. */
export const heardName = (text: string | undefined): string | undefined =>
  Array.from(text ?? '')
    .slice(0, NAME_MAX)
    .join('')
    .trim() || undefined
/** null, or nothing but blanks, says nothing. */
export type GivenDetails = { readonly [F in keyof ContactDetails]?: string | null | undefined }

const detailsOf = (given: GivenDetails): ContactDetails => {
  const details: Static<typeof Details> = {}
  for (const field of ['name', 'email', 'company', 'notes'] as const) {
    const text = given[field]?.trim()
    if (text) details[field] = text
  }
  return details
}

/** Saves somebody under the number that the contact has or had, else under that of `place`. Saved already: nothing. */
export const save =
  (place: ContactPlace, given: GivenDetails, at: string): ContactDecision =>
  ({ person, aliases, number = place.number }) =>
    person?.saved
      ? []
      : [{ type: 'ContactCreated', data: { ...place, ...also(aliases), ...detailsOf(given), number, at } }]

const heardOf = ({ pushName, bookName, business }: HeardOfContact = {}): HeardOfContact => ({
  ...(pushName !== undefined && { pushName }),
  ...(bookName !== undefined && { bookName }),
  ...(business !== undefined && { business }),
})

const also = (aliases: readonly string[]) => (aliases.length > 0 ? { aliases: [...aliases] } : {})

/** Saves somebody; refuses if that was done before. */
export const create =
  (place: ContactPlace, given: GivenDetails, at: string): ContactDecision =>
  (contact) => {
    if (contact.person?.saved)
      throw invalid('phone_number', `is already a contact, with the id ${contact.number ?? ''}`)
    return save(place, given, at)(contact)
  }

/** Takes down who wrote. What is not said, or was heard before what is known, changes nothing. */
export const learn =
  (heard: ContactPlace & HeardOfContact & { readonly at: string }): ContactDecision =>
  ({ person, aliases, number = heard.number, heardAt = '' }) => {
    const isNews =
      !person ||
      (['pushName', 'bookName', 'business'] as const).some(
        (field) => heard[field] !== undefined && heard[field] !== person[field],
      )
    return isNews && heard.at >= heardAt
      ? [{ type: 'ContactLearned', data: { ...heard, ...also(aliases), number } }]
      : []
  }

/** It is somebody known already from now on, for good. */
export const merge =
  (instanceId: string, into: { readonly id: string; readonly jid: string }, at: string): ContactDecision =>
  ({ number, mergedInto }) =>
    number === undefined || mergedInto
      ? []
      : [{ type: 'ContactMerged', data: { instanceId, into: into.id, jid: into.jid, at } }]

/** Takes in what is known of one that is part of this one now; what is known here already counts more. */
export const unite =
  (place: ContactPlace, id: string, other: Contact, at: string): ContactDecision =>
  ({ person, united, number = place.number }) => {
    if (united.includes(id) || (!person && !other.person)) return []
    const own = other.number === undefined || other.number === number ? [] : [String(other.number)]
    return [
      {
        type: 'ContactUnited',
        data: {
          ...place,
          number,
          ...other.person?.details,
          ...person?.details,
          ...heardOf(other.person),
          ...heardOf(person),
          saved: (person?.saved ?? false) || (other.person?.saved ?? false),
          with: id,
          aliases: [id, ...own, ...other.aliases],
          at,
        },
      },
    ]
  }

/** Changes what is said about the contact, which saves it; a field that is left out stays, null clears it. */
export const change =
  (given: GivenDetails, at: string): ContactDecision =>
  ({ person }) => {
    if (!person) throw notFound('Contact')
    const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    const details = detailsOf({ ...person.details, ...said })
    return isDeepStrictEqual(details, person.details)
      ? []
      : [{ type: 'ContactChanged', data: { ...details, at } }]
  }

export const remove =
  (at: string): ContactDecision =>
  ({ person }) => {
    if (!person) throw notFound('Contact')
    return [{ type: 'ContactDeleted', data: { at } }]
  }

/** Takes away what was taken down while it was being deleted. One that is part of another one has nothing of its own. */
export const removeAgain =
  (at: string): ContactDecision =>
  ({ number, mergedInto }) =>
    number === undefined || mergedInto ? [] : [{ type: 'ContactDeleted', data: { at } }]
