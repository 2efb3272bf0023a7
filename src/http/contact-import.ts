import { setImmediate as breathe } from 'node:timers/promises'
import { Type, type Static } from 'typebox'
import type { GivenDetails } from '../domain/contact.ts'
import { invalid, Refusal } from '../domain/errors.ts'
import type { Context } from '../domain/metadata.ts'
import { isObject, toPerson } from '../domain/values.ts'
import type { Contacts } from '../write/contacts.ts'
import { DetailFields, PhoneNumber } from './contacts.ts'
import { Nullable } from './format.ts'
import { bodyCheck } from './validate.ts'

/** Rows written at the same time: enough to share round trips, few enough to leave room for others. */
const AT_ONCE = 100
/** Characters of a wrong number that are shown. */
const SHOWN_MAX = 100

export const Imported = Type.Object({
  imported: Type.Integer(),
  skipped: Type.Integer({ description: 'Saved before, or named before in the same call' }),
  errors: Type.Array(
    Type.Object({
      row: Type.Integer({ description: 'From 1' }),
      phone_number: Nullable,
      message: Type.String(),
    }),
  ),
})
type Imported = Static<typeof Imported>

const rowCheck = bodyCheck(Type.Object({ phone_number: PhoneNumber, ...DetailFields }))

const trimmed = (value: unknown) => (typeof value === 'string' ? value.trim() : value)
const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined)

/** A row in our own words. Fields that hold nothing but blanks are as good as left out. */
const readRow = (row: unknown): { readonly jid: string; readonly given: GivenDetails } => {
  if (!isObject(row)) throw invalid('row', 'must be an object')
  const filled = Object.entries(row).filter(([, value]) => trimmed(value) !== '')
  const { phone_number, name, email, company, notes } = rowCheck(
    Object.fromEntries(filled.map(([field, value]) => [field, trimmed(value)])),
  )
  return {
    jid: toPerson(String(phone_number), 'phone_number'),
    given: { name: textOf(name), email: textOf(email), company: textOf(company), notes: textOf(notes) },
  }
}

/** `email must be an e-mail address`, from the details of a refusal. */
const reasonOf = ({ details, message }: Refusal): string =>
  Object.entries(details)
    .map(([field, complaints]) => `${field} ${[complaints].flat().join(', ')}`)
    .join('; ') || message

const numberIn = (row: unknown): string | null =>
  (isObject(row) && textOf(row['phone_number'])?.slice(0, SHOWN_MAX)) || null

/** Saves the contacts of many rows, each judged by itself: a bad one becomes an error, and the others are saved. */
export const importContacts = async (
  contacts: Pick<Contacts, 'addIfNew'>,
  instanceId: string,
  rows: readonly unknown[],
  context: Context,
): Promise<Imported> => {
  const seen = new Set<string>()
  let imported = 0
  const errors: Imported['errors'] = []

  const take = async (row: unknown, index: number) => {
    try {
      const { jid, given } = readRow(row)
      if (seen.has(jid)) return
      seen.add(jid)
      if (await contacts.addIfNew({ instanceId, jid }, given, context)) imported++
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      errors.push({ row: index + 1, phone_number: numberIn(row), message: reasonOf(error) })
    }
  }
  for (let from = 0; from < rows.length; from += AT_ONCE) {
    await Promise.all(rows.slice(from, from + AT_ONCE).map((row, n) => take(row, from + n)))
    await breathe()
  }
  const skipped = rows.length - imported - errors.length
  return { imported, skipped, errors: errors.toSorted((one, other) => one.row - other.row) }
}
