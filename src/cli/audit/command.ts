import { Kysely, PostgresDialect } from 'kysely'
import { createCauses } from '../../audit/causes.ts'
import { createAuditLines } from '../../audit/lines.ts'
import { storedEventOf } from '../../audit/told.ts'
import { isUuid } from '../../domain/values.ts'
import { START, type Recorded } from '../../ports/event-store.ts'
import { auditEvents } from '../../projections/audit.ts'
import { ensureTable, readCheckpoints } from '../../projections/checkpoint.ts'
import type { Database } from '../../projections/database.ts'
import { projections } from '../../projections/index.ts'
import type { AnyProjection } from '../../projections/projection.ts'
import { createDeliveries } from '../../webhooks/deliveries.ts'
import type { Storage } from '../../storage.ts'
import { visit, WrongUsage, type Command, type Given, type Screen } from '../command.ts'
import { createWriter, NobodyReads } from '../write.ts'
import { asOfRequest, showAsOf } from './as-of.ts'
import { chainText } from './causes.ts'
import { writings, type TenantNames } from './formats.ts'
import { aboutOf, checkedValues, parseAuditArgs, tenantOf, type AuditValues } from './options.ts'
import { foundIn, trail } from './trail.ts'

/** A running server is never so many positions behind for long. */
const BEHIND = 1000n

type Opened = {
  readonly storage: Pick<Storage, 'pool' | 'store'>
  readonly db: Kysely<Database>
  readonly screen: Screen
}

/** Read models that no server has made yet are there, and empty. */
const prepare = async ({ pool }: Pick<Storage, 'pool'>) => {
  const all: readonly AnyProjection[] = Object.values(projections)
  for (const projection of all) await ensureTable(pool, projection, { remake: false })
}

/** Up to where the index of the log is of use. */
const knownOf = async ({ storage: { pool, store }, screen }: Opened) => {
  const checkpoints = await readCheckpoints(pool, [auditEvents])
  const [known, head] = [checkpoints.get(auditEvents.name) ?? START, await store.head()]
  if (head - known > BEHIND)
    screen.progress.write(
      `The index of the log, ${auditEvents.name}, knows it up to ${known} of ${head}: the rest is read from the log itself, \
which takes longer. A running server brings it up to date.\n`,
    )
  return { known: known < head ? known : head, head }
}

/** The names of tenants, if there is more than one whose lines may be shown. */
const tenantsOf = async (db: Kysely<Database>, only: string | undefined): Promise<TenantNames> => {
  const rows = only === undefined ? await db.selectFrom('tenant').select(['id', 'name']).execute() : []
  return rows.length > 1 ? new Map(rows.map(({ id, name }) => [id, name])) : undefined
}

/** Writes what the options ask for, oldest first. */
export const audit = async (opened: Opened, values: AuditValues, signal: AbortSignal): Promise<void> => {
  const { storage, db, screen } = opened
  const { store } = storage
  const { filter: simple, limit, follow, format } = checkedValues(values)
  const tenantId = await tenantOf(db, values.tenant)
  const filter = { ...simple, tenantId, about: await aboutOf(db, store, values) }
  const lines = createAuditLines({ db, readStream: store.readStream })
  const write = createWriter(screen.out)
  const { head: first, page } = writings[format]
  const tenants = await tenantsOf(db, tenantId)
  const tell = async (events: readonly Recorded[]) => {
    if (events.length === 0) return
    const shown = await lines.linesOf(tenantId, events)
    const ofTenants = shown.map((line, n) => ({ ...line, tenant_id: events[n]?.meta.tenant ?? '' }))
    await write(page(ofTenants, tenants))
  }
  const { known, head } = await knownOf(opened)
  if (first !== '') await write(first)
  for await (const events of trail({ db, store, lines, filter, limit, known, head })) {
    await tell(events)
    if (signal.aborted) return
  }
  if (!follow) return
  for await (const batch of store.subscribeToAll(head, signal)) await tell(foundIn(batch, filter))
}

const causes = async ({ storage, db, screen }: Opened, values: AuditValues, id: string): Promise<void> => {
  const deliveries = createDeliveries(storage.pool, () => {})
  const follow = createCauses({ db, readStream: storage.store.readStream, deliveries })
  const [tenantId, ref] = [await tenantOf(db, values.tenant), id.toLowerCase()]
  const followStored = async () => {
    const stored = isUuid(ref) ? await storedEventOf(db, ref) : undefined
    return stored && follow(tenantId, stored)
  }
  const chain = (await follow(tenantId, ref)) ?? (await followStored())
  if (!chain) throw new Error(`Nothing is known of ${id}: name an event, a webhook event or a delivery.`)
  const text = values.as === 'jsonl' ? chain.map((step) => JSON.stringify(step)).join('\n') : chainText(chain)
  await createWriter(screen.out)(`${text}\n`)
}

const run = async (given: Given): Promise<number> => {
  const { values, positionals } = parseAuditArgs(given.args)
  const [what, id, ...more] = positionals
  if ((what !== undefined && what !== 'causes') || more.length > 0)
    throw new WrongUsage(`zapini audit does not know what to do with ${positionals.join(' ')}.`)
  if (what === 'causes' && id === undefined) throw new WrongUsage('zapini audit causes needs an id.')
  const request = asOfRequest(values)
  if (!request) checkedValues(values)
  const ask = async (storage: Storage, signal: AbortSignal) => {
    await prepare(storage)
    const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: storage.pool }) })
    const opened = { storage, db, screen: given.screen }
    if (request) await showAsOf(storage, given.screen, request, await tenantOf(db, values.tenant), signal)
    else if (id !== undefined) await causes(opened, values, id)
    else await audit(opened, values, signal)
  }
  return visit(given, async (storage, interrupted) => {
    await ask(storage, interrupted).catch((error: unknown) => {
      if (!(error instanceof NobodyReads)) throw error
    })
    return 0
  })
}

export const auditCommand: Command = {
  synopsis: '[causes ID] [filters]',
  summary: `who did what and when, from the log, oldest first; the server may run meanwhile.
Filters: --conversation, --message, --contact, --instance, --user, --token ID (a
UUID, or a number while it is there), --correlation ID, --causation ID, --type
TYPE (repeated, or with commas), --actor KIND, --from TIME, --to TIME, --tenant ID.
--as timeline|jsonl|csv, --limit N (the newest), --follow (and what comes).
causes ID follows a stored event, a webhook event or a delivery back to what set
it off.
--as-of TIME with --conversation, --contact or --tag ID shows it as it was then;
--as text|json.`,
  run,
}
