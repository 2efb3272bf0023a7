import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { askAsOf } from '../../as-of/as-of.ts'
import type { Question } from '../../as-of/question.ts'
import { isSerial, isUuid } from '../../domain/values.ts'
import { Refusal } from '../../domain/errors.ts'
import { START, type EventStore } from '../../ports/event-store.ts'
import { auditEvents } from '../../projections/audit.ts'
import { readCheckpoints } from '../../projections/checkpoint.ts'
import { WrongUsage, type Screen } from '../command.ts'
import { idOfNumber } from '../find.ts'
import { startProgress } from '../progress.ts'
import { timeOf } from '../times.ts'
import { createWriter } from '../write.ts'
import { things, views, type Thing } from './as-of-views.ts'

/** A running server brings the index of the log up to date within this time. */
const KNOWN_MS = 5000
const LOOK_MS = 100

type Storage = { readonly pool: Pool; readonly store: EventStore }
type Values = {
  readonly 'as-of'?: string | undefined
  readonly as?: string | undefined
  readonly tenant?: string | undefined
} & { readonly [T in Thing]?: string | undefined }

/** What is to be shown, as it was at a time. */
export type AsOfRequest = {
  readonly thing: Thing
  readonly ref: string
  readonly at: string
  readonly json: boolean
}

/** Told apart before anything is opened; undefined if nothing is asked as of a time. */
export const asOfRequest = (values: Values, now = new Date().toISOString()): AsOfRequest | undefined => {
  const { 'as-of': given, as = 'text' } = values
  if (given === undefined) {
    if (values.tag !== undefined) throw new WrongUsage('--tag goes with --as-of.')
    return undefined
  }
  const at = timeOf(given, 'as-of')
  if (at > now) throw new WrongUsage('--as-of is in the future.')
  if (as !== 'text' && as !== 'json') throw new WrongUsage(`With --as-of, --as is text or json; not ${as}.`)
  const [thing, ...others] = things.filter((one) => values[one] !== undefined)
  const ref = thing && values[thing]
  if (!thing || ref === undefined || others.length > 0)
    throw new WrongUsage('--as-of shows one thing: --conversation, --contact or --tag ID.')
  return { thing, ref, at, json: as === 'json' }
}

/** The index of the log has to know all of it: what it lacks may be of that time. */
const untilKnown = async ({ pool, store }: Storage) => {
  const head = await store.head()
  const endsAt = performance.now() + KNOWN_MS
  for (;;) {
    const known = (await readCheckpoints(pool, [auditEvents])).get(auditEvents.name) ?? START
    if (known >= head) return
    if (performance.now() > endsAt)
      throw new Error(
        `The index of the log, ${auditEvents.name}, knows it up to ${known} of ${head}. A running server brings it up to date.`,
      )
    await sleep(LOOK_MS)
  }
}

/** The tenant that something belongs to, or belonged to. */
const ownerOf = async ({ pool, store }: Storage, thing: Thing, ref: string): Promise<string | undefined> => {
  const ofId = async (id: string) => (await store.readStream(`${thing}-${id}`))[0]?.meta.tenant
  if (isUuid(ref)) return ofId(ref.toLowerCase())
  if (thing === 'tag' || !isSerial(ref)) return undefined
  const { rows } = await pool.query<{ tenant_id: string }>(
    `select tenant_id from ${thing} where number = $1 or aliases @> array[$2] limit 1`,
    [Number(ref), ref],
  )
  if (rows[0]) return rows[0].tenant_id
  const id = await idOfNumber(store, thing, Number(ref))
  return id === undefined ? undefined : ofId(id)
}

/**
 * Shows a conversation, a contact or a tag as it was: what was known at that time, as far as it can still be read. Of a
 * tenant, if one is given.
 */
export const showAsOf = async (
  storage: Storage,
  screen: Screen,
  { thing, ref, at, json }: AsOfRequest,
  tenantId: string | undefined,
  signal: AbortSignal,
): Promise<void> => {
  await untilKnown(storage)
  const owner = await ownerOf(storage, thing, ref)
  if (owner === undefined || (tenantId !== undefined && tenantId !== owner))
    throw new Error(`There is no ${thing} ${ref}, at no time.`)
  const { models, show } = views[thing]
  const subject: Question['subject'] = thing === 'tag' ? { kind: 'account' } : { kind: thing, ref }
  const progress = startProgress(screen.progress, `as of ${at}`)
  let events = 0
  const onProgress = (read: number, needed: number) => {
    events = read
    progress.show(BigInt(read), BigInt(needed), read)
  }
  const source = { ...storage, maxEvents: Infinity, statementMs: 0, onProgress }
  const question = { tenantId: owner, at, subject, models }
  const shown = await askAsOf(source, question, signal, (past) =>
    show(past, owner, ref).catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error
    }),
  )
  progress.end(events)
  if (!shown) throw new Error(`There was no ${thing} ${ref} at ${at}.`)
  const text = json ? JSON.stringify({ as_of: at, ...shown.json }) : shown.text
  await createWriter(screen.out)(`${text}\n`)
}
