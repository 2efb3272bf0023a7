import { Type, type Static } from 'typebox'
import type { Contact } from '../domain/contact.ts'
import { numberOf, Uuid } from '../domain/values.ts'
import type { ContactRow } from '../projections/contacts.ts'
import { isoSeconds, Nullable } from './format.ts'

const NAME_MAX = 200
const EMAIL_MAX = 320
const NOTES_MAX = 5000

const textOrNull = (maxLength: number, description: string, format?: 'email') =>
  Type.Optional(
    Type.Unsafe<string | null>({
      type: ['string', 'null'],
      minLength: 1,
      maxLength,
      description,
      ...(format && { format }),
    }),
  )

/** What a user may say about somebody. */
export const DetailFields = {
  name: textOrNull(NAME_MAX, 'Contact name'),
  email: textOrNull(EMAIL_MAX, 'Contact email', 'email'),
  company: textOrNull(NAME_MAX, 'Contact company'),
  notes: textOrNull(NOTES_MAX, 'Notes about the contact'),
}
export const PhoneNumber = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'Contact phone number, with country code',
})

export const ContactView = Type.Object({
  id: Type.Integer(),
  uuid: Uuid,
  instance_id: Uuid,
  phone_number: Type.String(),
  name: Nullable,
  display_name: Type.String({ description: '`name`, else `push_name`, else the number' }),
  push_name: Type.Union([Type.String(), Type.Null()], { description: 'As people call themselves' }),
  email: Nullable,
  company: Nullable,
  notes: Nullable,
  profile_picture_url: Nullable,
  is_business: Type.Boolean(),
  is_saved: Type.Boolean({ description: 'By a user; false for those who only wrote' }),
  created_at: Type.String(),
})
type Shown = Omit<ContactRow, 'tenant_id' | 'sort_name' | 'search' | 'aliases'>

export const contactView = (row: Shown): Static<typeof ContactView> => ({
  id: row.number,
  uuid: row.id,
  instance_id: row.instance_id,
  phone_number: row.phone_number,
  name: row.name,
  display_name: row.name ?? row.push_name ?? row.phone_number,
  push_name: row.push_name,
  email: row.email,
  company: row.company,
  notes: row.notes,
  profile_picture_url: null,
  is_business: false,
  is_saved: row.saved,
  created_at: isoSeconds(row.created_at),
})

/** A contact as it was just written, which its read model may not know yet. */
export const writtenView = (id: string, { number, person }: Contact) => {
  if (number === undefined || !person) throw new Error(`Contact ${id} was not written`)
  const { instanceId, jid, pushName, details, saved, createdAt } = person
  return contactView({
    id,
    number,
    instance_id: instanceId,
    phone_number: numberOf(jid),
    name: details.name ?? null,
    push_name: pushName ?? null,
    email: details.email ?? null,
    company: details.company ?? null,
    notes: details.notes ?? null,
    saved,
    created_at: createdAt,
  })
}
