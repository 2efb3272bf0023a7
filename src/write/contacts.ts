import {
  Contact,
  create,
  learn,
  merge,
  save,
  unite,
  type ContactDecision,
  type ContactPlace,
  type GivenDetails,
  type HeardOfContact,
  type Person,
} from '../domain/contact.ts'
import { contactId } from '../domain/ids.ts'
import type { Context } from '../domain/metadata.ts'
import { ERASED } from '../domain/values.ts'
import type { Numbers } from '../ports/numbers.ts'
import { createAddresses, type Addresses } from './addresses.ts'
import type { Load, Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly numbers: Numbers
  readonly addresses?: Addresses
}
type Who = Pick<ContactPlace, 'instanceId' | 'jid'>
type Found = Who & { readonly id: string; readonly state: Contact }
export type Heard = Who &
  HeardOfContact & {
    /** When it was taken down here; of the past, when it was said. */
    readonly at: string
  }

/** The contacts of instances, one for each person. */
export const createContacts = ({ transact, load, numbers, addresses = createAddresses({ load }) }: Parts) => {
  /** The contact of a person, by the JID that the person is known by. */
  const find = async ({ instanceId, jid }: Who, id = contactId(instanceId, jid)): Promise<Found> => {
    const { state } = await load(Contact, id)
    const { mergedInto } = state
    if (mergedInto && mergedInto.jid !== ERASED) return find({ instanceId, jid: mergedInto.jid })
    if (mergedInto) {
      // By what else is known of the person.
      const name = await addresses.nameOf(instanceId, jid)
      return name === jid ? find({ instanceId, jid }, mergedInto.id) : find({ instanceId, jid: name })
    }
    const name = state.number === undefined ? await addresses.nameOf(instanceId, jid) : jid
    return name === jid ? { instanceId, jid, id, state } : find({ instanceId, jid: name })
  }

  /** Decides with the number that the contact has or had, else with a fresh one. */
  const record = async (
    who: Who,
    decide: (place: ContactPlace) => ContactDecision,
    context: Context,
  ): Promise<{ readonly id: string; readonly state: Contact; readonly isNews: boolean }> => {
    const { instanceId, jid, id, state: before } = await find(who)
    const isNew = before.number === undefined
    const number = before.number ?? (await numbers('contact'))
    const decision = decide({ number, instanceId, jid })
    const unlessMerged: ContactDecision = (state) => (state.mergedInto ? [] : decision(state))
    const { state, events } = await transact(Contact, id, unlessMerged, context, { expectNew: true })
    if (state.mergedInto) return record(who, decide, context)
    // Whoever links it now finds it there; whoever did so before is seen here.
    const name = isNew ? await addresses.nameOf(instanceId, jid) : jid
    if (name !== jid) await mergeInto({ instanceId, from: jid, to: name }, context)
    return { id, state, isNews: events.length > 0 }
  }

  /** Makes what is known of one JID part of what is known of another. Done in part, it is completed. */
  const mergeInto = async (
    { instanceId, from, to }: { readonly instanceId: string; readonly from: string; readonly to: string },
    context: Context,
  ): Promise<void> => {
    const id = contactId(instanceId, from)
    if ((await load(Contact, id)).state.number === undefined) return
    const into = { id: contactId(instanceId, to), jid: to }
    const { state } = await transact(Contact, id, merge(instanceId, into, now()), context)
    const goesOn = await find({ instanceId, jid: to })
    const number = goesOn.state.number ?? (await numbers('contact'))
    const place = { number, instanceId, jid: goesOn.jid }
    await transact(Contact, goesOn.id, unite(place, id, state, now()), context)
  }

  const now = () => new Date().toISOString()

  return {
    /** Saves somebody; refuses by the field `phone_number` if that was done before. */
    add: (who: Who, given: GivenDetails, context: Context) =>
      record(who, (place) => create(place, given, now()), context),

    /** Saves somebody who is not saved yet; answers whether that was so. */
    addIfNew: async (who: Who, given: GivenDetails, context: Context): Promise<boolean> =>
      (await record(who, (place) => save(place, given, now()), context)).isNews,

    /** Takes down who wrote, and what is heard of them; answers what is known now. */
    hear: async (heard: Heard, context: Context): Promise<Person | undefined> => {
      const { state } = await record(heard, (place) => learn({ ...heard, ...place }), context)
      return state.person
    },

    find,
    mergeInto,
  }
}
export type Contacts = ReturnType<typeof createContacts>
