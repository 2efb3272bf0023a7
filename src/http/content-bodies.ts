import { Type, type Static, type TObject } from 'typebox'
import type { Content } from '../domain/content.ts'
import { invalid } from '../domain/errors.ts'
import { numberOf, toPerson } from '../domain/values.ts'
import { vcardOf } from '../domain/vcard.ts'

/** What callers say of places, contacts and polls, and what it is in our own words. */

const CARDS_MAX = 100
const OPTIONS_MIN = 2
const OPTIONS_MAX = 12
const shortText = (maxLength: number, description: string) =>
  Type.String({ minLength: 1, maxLength, description })

export const LocationFields = {
  latitude: Type.Number({ minimum: -90, maximum: 90, description: 'Degrees' }),
  longitude: Type.Number({ minimum: -180, maximum: 180, description: 'Degrees' }),
  name: Type.Optional(shortText(1000, 'Name of the place')),
  address: Type.Optional(shortText(1000, 'Its address')),
}

export const ContactFields = {
  contacts: Type.Array(
    Type.Object({
      name: shortText(200, 'Name to show'),
      phone_number: Type.Optional(
        shortText(100, 'WhatsApp number with country code, of which a card is made'),
      ),
      vcard: Type.Optional(
        Type.String({
          maxLength: 16_384,
          pattern: '^BEGIN:VCARD\\r?\\n[\\s\\S]*\\nEND:VCARD\\s*$',
          description: 'The card itself; instead of phone_number',
        }),
      ),
    }),
    { minItems: 1, maxItems: CARDS_MAX },
  ),
}

export const PollFields = {
  question: shortText(255, 'Question'),
  options: Type.Array(shortText(100, 'Option'), {
    minItems: OPTIONS_MIN,
    maxItems: OPTIONS_MAX,
    uniqueItems: true,
    description: 'Options, all different',
  }),
  selectable: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: OPTIONS_MAX,
      default: 1,
      description: 'How many options each may choose; 0: any number',
    }),
  ),
}

type Fields<T extends Record<string, Parameters<typeof Type.Object>[0][string]>> = Static<TObject<T>>
type Replying = { readonly replyTo?: string }

export const locationContent = (
  { latitude, longitude, name, address }: Fields<typeof LocationFields>,
  replying: Replying,
): Content => ({
  kind: 'location',
  latitude,
  longitude,
  ...(name !== undefined && { name }),
  ...(address !== undefined && { address }),
  ...replying,
})

export const contactContent = ({ contacts }: Fields<typeof ContactFields>, replying: Replying): Content => ({
  kind: 'contact',
  contacts: contacts.map(({ name, phone_number: phone, vcard }, n) => {
    if ((vcard === undefined) === (phone === undefined))
      throw invalid(`contacts.${n}`, 'must have either phone_number or vcard')
    const card = vcard ?? vcardOf(name, numberOf(toPerson(phone ?? '', `contacts.${n}.phone_number`)))
    return { displayName: name, vcard: card }
  }),
  ...replying,
})

export const pollContent = (
  { question, options, selectable = 1 }: Fields<typeof PollFields>,
  replying: Replying,
): Content => {
  if (selectable > options.length)
    throw invalid('selectable', `must be at most the number of options, ${options.length}`)
  return { kind: 'poll', question, options, selectable, ...replying }
}
