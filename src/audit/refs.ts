import { sql, type Kysely, type RawBuilder } from 'kysely'
import { isSerial, isUuid } from '../domain/values.ts'
import { notFound } from '../domain/errors.ts'
import { isKnownTo } from '../projections/audit.ts'
import type { Database } from '../projections/database.ts'

/** What an auditor can ask about, each by its UUID or, while it is there, by its number. */
const tables = {
  conversation: 'conversation',
  message: 'message',
  contact: 'contact',
  instance: 'instance',
  user: 'account',
  token: 'token',
} as const
export type Thing = keyof typeof tables
export const things = Object.keys(tables) as Thing[]

const kindOf = (thing: Thing) => `${thing.charAt(0).toUpperCase()}${thing.slice(1)}`

type Found = { readonly id: string; readonly aliases?: readonly string[] | null }

/**
 * The ids that a thing has had: its own, and those of what became part of it. What is deleted is found by its UUID, as
 * long as something is known to have happened to it. Throws NOT_FOUND, also for what another tenant has.
 */
export const idsOf = async (
  db: Kysely<Database>,
  tenantId: string | undefined,
  thing: Thing,
  given: string,
): Promise<readonly string[]> => {
  const ref = given.toLowerCase()
  const byId = isUuid(ref)
  if (!byId && !isSerial(ref)) throw notFound(kindOf(thing))
  const find = async (condition: RawBuilder<boolean>): Promise<Found | undefined> => {
    let query = db.selectFrom(tables[thing]).select('id').where(condition)
    if (isUnited(thing)) query = query.select(sql<string[] | null>`aliases`.as('aliases'))
    if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId)
    return query.executeTakeFirst()
  }
  const row: Found | undefined =
    (await find(byId ? sql`id = ${ref}` : sql`number = ${Number(ref)}`)) ??
    (isUnited(thing) ? await find(sql`aliases @> array[${ref}]`) : undefined)
  if (row) return [row.id, ...(row.aliases ?? []).filter(isUuid)]
  // For the operator there is nothing to hide, and the read models may be behind.
  if (byId && (tenantId === undefined || (await isKnownTo(db, tenantId, ref)))) return [ref]
  throw notFound(kindOf(thing))
}

/** Whether one of them can become part of another one. */
const isUnited = (thing: Thing) => thing === 'conversation' || thing === 'contact'
