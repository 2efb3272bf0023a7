import { Type, type Static } from 'typebox'
import type { Contact } from '../domain/contact.ts'
import { numberOf, Uuid } from '../domain/values.ts'
import type { ContactRow } from '../projections/contacts.ts'
import { picturesOfContacts } from '../projections/conversations.ts'
import { isoSeconds, Nullable } from './format.ts'
import { pictureUrls } from './media-view.ts'
import type { RouteRequest } from './route.ts'
import type { Services } from './services.ts'

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
  display_name: Type.String({
    description: '`name`, else `address_book_name`, else `push_name`, else the number',
  }),
  address_book_name: Type.Union([Type.String(), Type.Null()], { description: 'As the phone has it' }),
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

export const contactView = (row: Shown, pictureUrl: string | null): Static<typeof ContactView> => ({
  id: row.number,
  uuid: row.id,
  instance_id: row.instance_id,
  phone_number: row.phone_number,
  name: row.name,
  display_name: row.name ?? row.book_name ?? row.push_name ?? row.phone_number,
  address_book_name: row.book_name,
  push_name: row.push_name,
  email: row.email,
  company: row.company,
  notes: row.notes,
  profile_picture_url: pictureUrl,
  is_business: row.business,
  is_saved: row.saved,
  created_at: isoSeconds(row.created_at),
})

/** A contact as it was just written, which its read model may not know yet. */
export const writtenView = (id: string, { number, person }: Contact, pictureUrl: string | null) => {
  if (number === undefined || !person) throw new Error(`Contact ${id} was not written`)
  const { instanceId, jid, pushName, bookName, business = false, details, saved, createdAt } = person
  const row: Shown = {
    id,
    number,
    instance_id: instanceId,
    phone_number: numberOf(jid),
    name: details.name ?? null,
    push_name: pushName ?? null,
    book_name: bookName ?? null,
    business,
    email: details.email ?? null,
    company: details.company ?? null,
    notes: details.notes ?? null,
    saved,
    created_at: createdAt,
  }
  return contactView(row, pictureUrl)
}

/** Where the pictures of contacts are, by their ids. */
export const contactPictures = async (
  { db, settings }: Pick<Services, 'db' | 'settings'>,
  ids: readonly string[],
  request: RouteRequest,
) => {
  const pictureOf = await picturesOfContacts(db, ids)
  const urlOf = pictureUrls(request, settings.publicUrl)
  return (id: string) => urlOf(pictureOf(id))
}
