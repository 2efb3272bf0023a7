import { join, resolve } from 'node:path'
import { Kysely, PostgresDialect } from 'kysely'
import type { Pool } from 'pg'
import { createCipher } from './adapters/baileys/cipher.ts'
import { scrubWhatsApp } from './adapters/baileys/scrub.ts'
import { folderMediaStore } from './adapters/media/folder.ts'
import { removeLeftovers, scrubLeftovers } from './adapters/media/leftovers.ts'
import { s3MediaStore } from './adapters/media/s3.ts'
import { startEmbeddedPostgres, visitEmbeddedPostgres } from './adapters/postgres/embedded.ts'
import { postgresErasures } from './adapters/postgres/erasures.ts'
import { postgresEventStore } from './adapters/postgres/event-store.ts'
import { migrate } from './adapters/postgres/migrations.ts'
import {
  createLeasePool,
  createLogPool,
  createPool,
  createTurnPool,
  createWorkPool,
} from './adapters/postgres/pool.ts'
import { postgresSealingKeys } from './adapters/postgres/sealing-keys.ts'
import { scrubSandbox } from './adapters/sandbox/scrub.ts'
import type { Config } from './config.ts'
import { findEncryptionKey } from './encryption-key.ts'
import { followLog, type Deployment, type LogKind } from './followed-log.ts'
import type { Log } from './log.ts'
import type { Scrub } from './ports/scrub.ts'
import { scrubBeside } from './projections/beside-tables.ts'
import { sealedStore } from './sealed-store.ts'

const POOL_SIZE = 12
const LOG_POOL_SIZE = 6
const WORK_POOL_SIZE = 12
const SESSION_POOL_SIZE = 6
/** Keys whose turn this node has, or waits for, at once. */
const TURN_POOL_SIZE = 4

/** What the sessions of a command are called in PostgreSQL; those of a server are called `zapini`. */
const VISITOR = 'zapini command'

type Use = {
  /** Beside a program that may be running, for a short job: the embedded server is shared with it. */
  readonly visiting?: boolean
  /** To copy logs, with sessions of this name: which log the database belongs to is then not looked at. */
  readonly copying?: string
  /** To look into what is wrong: any log will do. */
  readonly anyLog?: boolean
  /** What is copied there is sealed anew. */
  readonly sealing?: boolean
}

/** Where the settings keep the log. */
const logKindOf = ({ secrets }: Config): LogKind =>
  secrets.eventstoreUrl === undefined ? 'postgres' : 'eventstoredb'

/** What WhatsApp sessions and the keys of the log are encrypted with, if there is one. */
const encryptionKeyOf = ({ settings, secrets }: Config, pool: Pool) => {
  const file =
    secrets.databaseUrl === undefined ? join(resolve(settings.dataDir), 'encryption.key') : undefined
  return findEncryptionKey({ pool, given: secrets.encryptionKey, file })
}

/**
 * The database that the configuration names, and the log: in it, or in EventStoreDB if that is configured. `store` is
 * the log as everybody knows it, `stored` the same as it is kept, with what is personal sealed.
 */
export const openStorage = async (config: Config, log: Log, use: Use = {}) => {
  const { visiting = false, copying, sealing = false, anyLog = false } = use
  const { settings, secrets } = config
  const directory = resolve(settings.dataDir, 'postgres')
  const reach = visiting ? visitEmbeddedPostgres : startEmbeddedPostgres
  const embedded =
    secrets.databaseUrl === undefined ? await reach({ directory, log: (line) => log.debug(line) }) : undefined
  const url = secrets.databaseUrl ?? embedded?.connectionString ?? ''
  const onError = (error: unknown) =>
    log.error({ err: error, part: 'database' }, 'database connection failed')
  const onLogError = (error: unknown) =>
    log.error({ err: error, part: 'event store' }, 'connection to the event store failed')
  const name = copying ?? (visiting ? VISITOR : undefined)
  const named = name === undefined ? {} : { name }
  const pool = createPool(url, { max: POOL_SIZE, onError, ...named })
  await migrate(new Kysely({ dialect: new PostgresDialect({ pool }) }))
  const logPool = createLogPool(url, { max: LOG_POOL_SIZE, onError, ...named })
  const workPool = createWorkPool(url, { max: WORK_POOL_SIZE, onError, ...named })
  const sessionPool = createLogPool(url, { max: SESSION_POOL_SIZE, onError, ...named })
  const leasePool = createLeasePool(url, onError)
  /** Nothing but this program works on the database. */
  const alone = embedded !== undefined && !visiting
  /** A server may be at work beside this job. */
  const beside = !(embedded && 'isAlone' in embedded && embedded.isAlone)
  const turnPool = createTurnPool(url, { max: TURN_POOL_SIZE, onError })
  const stored =
    secrets.eventstoreUrl === undefined
      ? postgresEventStore(logPool, onError, { alone })
      : (await import('./adapters/eventstoredb/event-store.ts')).eventStoreDb({
          url: secrets.eventstoreUrl,
          prefix: settings.eventstorePrefix,
          once: copying !== undefined,
          onError: onLogError,
        })
  const closePools = async () => {
    await stored.close()
    await Promise.all([pool, logPool, workPool, sessionPool, leasePool, turnPool].map((one) => one.end()))
    await embedded?.stop()
  }
  const deployment: Deployment = { kind: logKindOf(config), store: stored, pool }
  const follow = () =>
    followLog(deployment, {
      mayBegin: !visiting && settings.roles.includes('api'),
      onAdopted: (position) =>
        log.warn(
          { part: 'start', position: String(position) },
          'this database knew nothing of a log that has events: its predecessor seems to be lost. Read models are made anew; reactions go on from the end of the log, so that nobody is told its history again. What was not told before the loss: docs/operations.md, "Backup and restore"',
        ),
    })
  const begin = async () => {
    if (copying !== undefined && !sealing) return undefined
    if (copying === undefined && !anyLog) await follow()
    return encryptionKeyOf(config, pool)
  }
  const encryptionKey = await begin().catch(async (error: unknown) => {
    await closePools()
    throw error
  })
  const keys = postgresSealingKeys({ pool: logPool, listenPool: pool, master: encryptionKey, alone, onError })
  const close = async () => {
    await keys.close()
    await closePools()
  }
  return {
    pool,
    logPool,
    workPool,
    sessionPool,
    leasePool,
    turnPool,
    store: sealedStore(stored, keys),
    stored,
    keys,
    encryptionKey,
    deployment,
    onError,
    alone,
    beside,
    /** Of an embedded PostgreSQL: nothing of what was written before is left in its write-ahead log. */
    clearLog: embedded?.clearLog,
    close,
  }
}

/** The log and the database, opened. */
export type Storage = Awaited<ReturnType<typeof openStorage>>

/** Where the bytes of files are: in a bucket if one is configured, else in the data folder. */
const openMedia = async ({ settings, secrets }: Config, alone: boolean) => {
  const { dataDir, s3Endpoint: endpoint, s3Bucket: bucket = '', s3Region: region } = settings
  const { s3AccessKeyId: accessKeyId = '', s3SecretAccessKey: secretAccessKey = '' } = secrets
  const [folder, spoolFolder] = [resolve(dataDir, 'media'), resolve(dataDir, 'incoming')]
  const leftovers = [spoolFolder, join(folder, 'tmp')]
  // Where nobody else is at work, nothing is coming in yet.
  await Promise.all(leftovers.map((one) => removeLeftovers(one, alone ? 0 : undefined)))
  if (endpoint === undefined)
    return { store: folderMediaStore(folder), spoolFolder, leftovers, close: () => Promise.resolve() }
  const store = s3MediaStore({ endpoint, bucket, region, accessKeyId, secretAccessKey })
  return { store, spoolFolder, leftovers, close: store.close }
}

/** Where copies of what is in the log are besides, and what takes them away when it is erased. */
export const openCopies = async (config: Config, { pool, encryptionKey: key, alone, beside }: Storage) => {
  const media = await openMedia(config, alone)
  const scrubs: readonly Scrub[] = [
    scrubSandbox(pool),
    scrubBeside(pool),
    ...(key ? [scrubWhatsApp(pool, createCipher(key))] : []),
    scrubLeftovers(media.leftovers, beside ? undefined : 0),
  ]
  return { media, scrubs, erasures: postgresErasures(pool) }
}
