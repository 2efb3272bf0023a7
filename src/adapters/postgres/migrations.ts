import { Migrator, sql, type Kysely, type Migration } from 'kysely'
import { whatsappTables } from '../baileys/tables.sql.ts'
import { sandboxGroupTables, sandboxTables } from '../sandbox/tables.sql.ts'
import { counters } from './counters.sql.ts'
import { erasureCount } from './erasures.ts'
import { eventLog } from './event-log.sql.ts'
import { followedLog } from './followed-log.sql.ts'
import { leaseTable } from './lease-table.ts'
import { logDigest } from './log-digest.sql.ts'
import { numberSequences } from './numbers.ts'
import {
  deadDeliveries,
  deliveriesOfEvent,
  erasedDeliveries,
  redeliveries,
  webhookQueue,
} from './webhook-queue.sql.ts'
import { sealingKeys } from './sealing-keys.sql.ts'

const statements = (text: string): Migration => ({ up: async (db) => void (await sql.raw(text).execute(db)) })

/** A row for each projection and reaction: how far in the log it has come. */
const checkpoints = `
create table checkpoint (
  name text primary key,
  version integer not null,
  position bigint not null,
  updated_at timestamptz not null default now()
);`

/** Part of PostgreSQL itself, and open to whoever may create tables: parts of words, and a tenant beside them, in one index. */
const searching = `
create extension if not exists pg_trgm;
create extension if not exists btree_gin;`

/** What was deleted before there was anything to erase is not erased: its events are not sealed. */
const eraseFromNow = `
insert into checkpoint (name, version, position)
select 'erase', 1, max(position) from checkpoint having max(position) is not null;`

/**
 * Everything that is not derived from the log. Read models are not here: their projections make them.
 * A migration that has been released is never edited; add the next one.
 */
const migrations: Record<string, Migration> = {
  '0001-event-log': statements(eventLog),
  '0002-checkpoints': statements(checkpoints),
  '0003-numbers': statements(
    numberSequences('tenant', 'user', 'token', 'instance', 'conversation', 'message'),
  ),
  '0004-webhook-queue': statements(webhookQueue),
  '0005-sandbox': statements(sandboxTables),
  '0006-search': statements(searching),
  '0007-numbers': statements(numberSequences('contact', 'automation')),
  '0008-sandbox-groups': statements(sandboxGroupTables),
  '0009-dead-deliveries': statements(deadDeliveries),
  '0010-leases': statements(leaseTable),
  '0011-followed-log': statements(followedLog),
  '0012-counters': statements(counters),
  '0013-whatsapp': statements(whatsappTables),
  '0014-sealing-keys': statements(sealingKeys),
  '0015-log-digest': statements(logDigest),
  '0016-redeliveries': statements(redeliveries),
  '0017-erasing': statements(erasedDeliveries + erasureCount + eraseFromNow),
  '0018-deliveries-of-event': statements(deliveriesOfEvent),
}

export const migrate = async <T>(db: Kysely<T>) => {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } })
  const { error, results } = await migrator.migrateToLatest()
  if (!error) return
  const failed = results?.find(({ status }) => status === 'Error')?.migrationName
  const what = failed === undefined ? 'The database cannot be used' : `Migration ${failed} failed`
  throw new Error(`${what}: ${reasonOf(error)}`, { cause: error })
}

/** Of a name with several addresses, none of which answered, Node says nothing by itself. */
const reasonOf = (error: unknown): string => {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(reasonOf))].join('; ')
  return error instanceof Error ? error.message : String(error)
}
