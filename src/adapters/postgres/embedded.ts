import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import {
  ADMIN,
  createCluster,
  PORT,
  preparePlace,
  readPassword,
  removeLeftovers,
  type Place,
} from './embedded-cluster.ts'
import { exists, WAY_OUT } from './embedded-programs.ts'
import { recordedPid, shutDown, startServer, type Server } from './embedded-server.ts'
import { codeOf, textOf } from './errors.ts'

export type EmbeddedPostgresOptions = {
  /** Absolute path, created if missing. Holds `cluster/` (data and password), `socket/` and `server.log`. */
  readonly directory: string
  /** Gets a line per step worth telling; what the server itself logs is in `server.log`. */
  readonly log?: (line: string) => void
  /** Server settings that go before ours. They apply when the server starts, not to one found running. */
  readonly settings?: Readonly<Record<string, string>>
}

export type EmbeddedPostgres = {
  /** For `pg`: the database `zapini` as its owner `zapini` (no superuser, may create databases), by Unix socket. */
  readonly connectionString: string
  /** Process id of the server; another one after the server died and was started again. */
  readonly pid: number
  /** Ends all sessions and shuts the server down. Rejects if it is still there after 40 seconds. */
  stop(): Promise<void>
  /** Once this resolves, nothing that was written before is left in the write-ahead log. */
  clearLog(): Promise<void>
}

/** What a short job gets to know of it. */
export type VisitedPostgres = Pick<EmbeddedPostgres, 'connectionString' | 'stop' | 'clearLog'> & {
  /** No program was at work on it, so that it was started for the job. */
  readonly isAlone: boolean
}

const APPLICATION = 'zapini'
/** Key of the only advisory lock in the database `postgres`. */
const LOCK_KEY = 1
/** The session of a program killed just before needs a moment to end. */
const LOCK_WAIT_MS = 1_000
const POLL_MS = 20
const CONNECT_TIMEOUT_MS = 5_000
const START_TIMEOUT_MS = 60_000
/** A server that answers "starting up" replays its log after a crash, which is worth a longer wait. */
const RECOVERY_TIMEOUT_MS = 600_000
/** How long an old server of the directory may take to go. */
const CONFLICT_TIMEOUT_MS = 10_000
const CONFLICT_POLL_MS = 200
const RESTORE_PAUSE_MS = 1_000
/** SQLSTATEs: https://www.postgresql.org/docs/18/errcodes-appendix.html */
const LOCK_NOT_AVAILABLE = '55P03'
const CANNOT_CONNECT_NOW = '57P03'
const INVALID_AUTHORIZATION = '28'

/** Another program uses the directory. */
class AlreadyInUse extends Error {
  override name = 'AlreadyInUse'
}

const takeLock = async (session: Client, directory: string) => {
  try {
    await session.query('select pg_advisory_lock($1)', [LOCK_KEY])
  } catch (error) {
    if (codeOf(error) !== LOCK_NOT_AVAILABLE) throw error
    const { rows } = await session.query<{ holder: string }>(
      `select application_name as holder from pg_stat_activity join pg_locks using (pid)
       where locktype = 'advisory' and granted and datname = current_database()`,
    )
    const holder = rows[0]?.holder ?? 'another program'
    throw new AlreadyInUse(`${directory} is in use by ${holder}. Stop it first, or choose another directory.`)
  }
}

const ensureDatabase = async (session: Client, password: string) => {
  const role = await session.query('select from pg_roles where rolname = $1', [APPLICATION])
  if (role.rowCount === 0) {
    await session.query(
      `create role ${APPLICATION} login createdb password ${session.escapeLiteral(password)}`,
    )
  }
  const database = await session.query('select from pg_database where datname = $1', [APPLICATION])
  if (database.rowCount === 0) await session.query(`create database ${APPLICATION} owner ${APPLICATION}`)
}

const asAdmin = ({ sockets }: Place, password: string) => ({
  ...{ host: sockets, port: PORT, user: ADMIN, database: ADMIN, password, ssl: false },
  application_name: `Zapini, process ${process.pid}`,
  connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
})

/** All up to the first checkpoint is done with; the next file is begun, and at the second one the others go. */
const clearLog = async (place: Place, password: string) => {
  const session = new Client(asAdmin(place, password))
  await session.connect()
  try {
    for (const step of ['checkpoint', 'select pg_switch_wal()', 'checkpoint']) await session.query(step)
  } finally {
    await session.end()
  }
}

/** A session that holds the lock of the directory until it ends, which it does however its program ends. */
const openSession = async (place: Place, password: string) => {
  const { directory } = place
  const session = new Client({
    ...asAdmin(place, password),
    query_timeout: START_TIMEOUT_MS,
    lock_timeout: LOCK_WAIT_MS,
  })
  // The event `end` follows an error, and is what counts.
  session.on('error', () => undefined)
  try {
    await session.connect()
    await takeLock(session, directory)
    await ensureDatabase(session, password)
    return session
  } catch (error) {
    await session.end()
    throw error
  }
}

const connectionStringOf = ({ sockets }: Place, password: string) => {
  const host = encodeURIComponent(sockets)
  return `postgresql://${APPLICATION}:${password}@/${APPLICATION}?host=${host}&port=${PORT}&sslmode=disable`
}

const isConflict = (lines: string) =>
  /lock file .* already exists|shared memory block .* still in use/.test(lines)

/** A session on the server that runs in the directory; where none does, on one that is started. */
const reachServer = async (place: Place, password: string, signal: AbortSignal) => {
  const begun = performance.now()
  let conflictBegun: number | undefined
  let server: Server | undefined
  const failed = (reason: string) =>
    new Error(`PostgreSQL did not start in ${place.directory}: ${reason}\nFix the cause, ${WAY_OUT}`)
  try {
    for (;;) {
      const outcome = await openSession(place, password).catch((error: unknown) => error)
      if (outcome instanceof Client) return outcome
      if (outcome instanceof AlreadyInUse) throw outcome
      if (codeOf(outcome).startsWith(INVALID_AUTHORIZATION)) throw failed(textOf(outcome))
      const isStartingUp = codeOf(outcome) === CANNOT_CONNECT_NOW
      const timeoutMs = isStartingUp ? RECOVERY_TIMEOUT_MS : START_TIMEOUT_MS
      if (performance.now() - begun > timeoutMs) throw failed(textOf(outcome))
      if (!isStartingUp && !server?.isRunning()) {
        const lines = await server?.lastLines()
        if (lines !== undefined) {
          if (!isConflict(lines)) throw failed(lines)
          conflictBegun ??= performance.now()
          if (performance.now() - conflictBegun > CONFLICT_TIMEOUT_MS) {
            const pid = await recordedPid(place.data)
            throw failed(`its old server (process ${pid}) neither answers nor ends. End it.\n${lines}`)
          }
          await delay(CONFLICT_POLL_MS, undefined, { signal })
        }
        server = await startServer(place)
      }
      await delay(POLL_MS, undefined, { signal })
    }
  } catch (error) {
    if (!(error instanceof AlreadyInUse)) server?.end()
    throw error
  }
}

/**
 * Starts the PostgreSQL of the directory, or finds it running, and creates its data the first time. It listens on a
 * Unix socket only. As root it runs as another account (see `chooseOsUser`).
 *
 * One program at a time has the directory: it holds an advisory lock in a session of its own, which PostgreSQL ends
 * when the program dies, however it dies. If the server dies, it is started again, until `stop`.
 *
 * Rejects with a message that says what to do: when the directory is in use, when PostgreSQL cannot run here, or when
 * it does not answer within a minute (ten while it replays its log after a crash).
 */
export const startEmbeddedPostgres = async (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  const { directory, settings = {}, log = () => undefined } = options
  const place = await preparePlace(directory, settings)
  await removeLeftovers(place.directory)
  if (!(await exists(place.cluster))) {
    log(`Creating a PostgreSQL database in ${place.directory}`)
    await createCluster(place)
  }
  const password = await readPassword(place.cluster)
  const ending = new AbortController()
  let restored = Promise.resolve()

  const attach = async () => {
    const session = await reachServer(place, password, ending.signal)
    session.once('end', () => {
      if (!ending.signal.aborted) restored = restore()
    })
    const pid = (await recordedPid(place.data)) ?? 0
    log(`PostgreSQL is ready (process ${pid})`)
    return { session, pid }
  }
  const restore = async () => {
    log('The connection to PostgreSQL was lost; reaching it again')
    while (!ending.signal.aborted) {
      try {
        attached = await attach()
        return
      } catch (error) {
        if (!ending.signal.aborted) log(textOf(error))
        await delay(RESTORE_PAUSE_MS, undefined, { signal: ending.signal }).catch(() => undefined)
      }
    }
  }
  const end = async () => {
    ending.abort()
    await restored
    await shutDown(place.data)
    await attached.session.end()
  }

  let attached = await attach()
  let ended: Promise<void> | undefined
  return {
    connectionString: connectionStringOf(place, password),
    get pid() {
      return attached.pid
    },
    stop: () => (ended ??= end()),
    clearLog: () => clearLog(place, password),
  }
}

/**
 * For a short job: the PostgreSQL of the directory, whether a program has it or it has to be started. `stop` stops only
 * what was started here.
 */
export const visitEmbeddedPostgres = async (options: EmbeddedPostgresOptions): Promise<VisitedPostgres> => {
  try {
    return { ...(await startEmbeddedPostgres(options)), isAlone: true }
  } catch (error) {
    if (!(error instanceof AlreadyInUse)) throw error
    const place = await preparePlace(options.directory, options.settings ?? {})
    const password = await readPassword(place.cluster)
    return {
      connectionString: connectionStringOf(place, password),
      stop: () => Promise.resolve(),
      clearLog: () => clearLog(place, password),
      isAlone: false,
    }
  }
}
