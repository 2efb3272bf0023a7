import {
  Contact,
  create,
  learn,
  save,
  type ContactDecision,
  type ContactPlace,
  type GivenDetails,
  type HeardOfContact,
  type Person,
} from '../domain/contact.ts'
import { contactId } from '../domain/ids.ts'
import type { Context } from '../domain/metadata.ts'
import type { Numbers } from '../ports/numbers.ts'
import type { Load, Transact } from './transact.ts'

type Parts = { readonly transact: Transact; readonly load: Load; readonly numbers: Numbers }
type Who = Pick<ContactPlace, 'instanceId' | 'jid'>
export type Heard = Who &
  HeardOfContact & {
    /** When it was taken down here. */
    readonly at: string
  }

/** The contacts of instances, one for each person. */
export const createContacts = ({ transact, load, numbers }: Parts) => {
  /** Decides with the number that the contact has or had, else with a fresh one. */
  const record = async (
    { instanceId, jid }: Who,
    decide: (place: ContactPlace) => ContactDecision,
    context: Context,
  ) => {
    const id = contactId(instanceId, jid)
    const { number = await numbers('contact') } = (await load(Contact, id)).state
    const decision = decide({ number, instanceId, jid })
    return { id, ...(await transact(Contact, id, decision, context, { expectNew: true })) }
  }
  const now = () => new Date().toISOString()

  return {
    /** Saves somebody; refuses by the field `phone_number` if that was done before. */
    add: (who: Who, given: GivenDetails, context: Context) =>
      record(who, (place) => create(place, given, now()), context),

    /** Saves somebody who is not saved yet; answers whether that was so. */
    addIfNew: async (who: Who, given: GivenDetails, context: Context): Promise<boolean> =>
      (await record(who, (place) => save(place, given, now()), context)).events.length > 0,

    /** Takes down who wrote, and what is heard of them; answers what is known now. */
    hear: async (heard: Heard, context: Context): Promise<Person | undefined> => {
      const { state } = await record(heard, (place) => learn({ ...heard, ...place }), context)
      return state.person
    },
  }
}
export type Contacts = ReturnType<typeof createContacts>
