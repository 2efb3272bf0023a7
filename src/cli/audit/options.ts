import type { Kysely } from 'kysely'
import { parseArgs } from 'node:util'
import { idsOf, things, type Thing } from '../../audit/refs.ts'
import { eventTypes } from '../../domain/catalogue.ts'
import { actorKinds } from '../../domain/metadata.ts'
import type { EventStore } from '../../ports/event-store.ts'
import { findTenant, findTenantByNumber } from '../../projections/accounts.ts'
import type { AuditFilter } from '../../projections/audit.ts'
import type { Database } from '../../projections/database.ts'
import { isSerial, isUuid } from '../../domain/values.ts'
import { WrongUsage } from '../command.ts'
import { idOfNumber } from '../find.ts'
import { timeOf } from '../times.ts'
import { formats } from './formats.ts'

/** Of so many, the places in the log are held in memory. */
const LIMIT_MAX = 100_000

const text = { type: 'string' } as const
const options = {
  tenant: text,
  conversation: text,
  message: text,
  contact: text,
  instance: text,
  user: text,
  token: text,
  correlation: text,
  causation: text,
  type: { type: 'string', multiple: true },
  actor: text,
  from: text,
  to: text,
  tag: text,
  'as-of': text,
  as: text,
  limit: text,
  follow: { type: 'boolean' },
} as const

export const parseAuditArgs = (args: readonly string[]) =>
  parseArgs({ args: [...args], options, allowPositionals: true })
export type AuditValues = ReturnType<typeof parseAuditArgs>['values']

const oneOf = <T extends string>(given: string, known: readonly T[], option: string): T => {
  const found = known.find((one) => one === given)
  if (found === undefined) throw new WrongUsage(`--${option} is one of ${known.join(', ')}; not ${given}.`)
  return found
}

/** What is told apart before anything is opened. */
export const checkedValues = (values: AuditValues) => {
  const limit = values.limit === undefined ? undefined : Number(values.limit)
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX))
    throw new WrongUsage(`--limit is a number from 1 to ${LIMIT_MAX}; not ${values.limit ?? ''}.`)
  return {
    limit,
    follow: values.follow ?? false,
    format: values.as === undefined ? 'timeline' : oneOf(values.as, formats, 'as'),
    filter: {
      types: values.type?.flatMap((given) => given.split(',')).map((type) => oneOf(type, eventTypes, 'type')),
      actorKind: values.actor === undefined ? undefined : oneOf(values.actor, actorKinds, 'actor'),
      correlation: values.correlation,
      causation: values.causation?.toLowerCase(),
      from: values.from === undefined ? undefined : timeOf(values.from, 'from'),
      to: values.to === undefined ? undefined : timeOf(values.to, 'to'),
    } satisfies AuditFilter,
  }
}

export const tenantOf = async (db: Kysely<Database>, given: string | undefined) => {
  if (given === undefined) return undefined
  const tenant = isUuid(given)
    ? await findTenant(db, given.toLowerCase())
    : isSerial(given) && (await findTenantByNumber(db, Number(given)))
  if (!tenant) throw new Error(`There is no tenant ${given}.`)
  return tenant.id
}

/** For each thing that is asked about, the ids that it has had. */
export const aboutOf = (db: Kysely<Database>, store: EventStore, values: AuditValues) => {
  const idsOfNamed = async (thing: Thing, ref: string) => {
    try {
      return await idsOf(db, undefined, thing, ref)
    } catch (error) {
      const id = isSerial(ref) ? await idOfNumber(store, thing, Number(ref)) : undefined
      if (id === undefined) throw error
      return idsOf(db, undefined, thing, id)
    }
  }
  return Promise.all(
    things.flatMap((thing) => {
      const ref = values[thing]
      return ref === undefined ? [] : [idsOfNamed(thing, ref)]
    }),
  )
}
