import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import { environment, findPrograms, WAY_OUT } from './embedded-programs.ts'
import { codeOf, textOf, unless } from './errors.ts'
import { chooseOsUser, isRoot, launchAs, type Launch, type OsUser } from './os-user.ts'

/** Where a cluster is and how to start its server. */
export type Place = {
  readonly directory: string
  readonly cluster: string
  readonly data: string
  readonly sockets: string
  readonly user: OsUser | undefined
  readonly programs: { readonly initdb: string; readonly postgres: string }
  readonly launch: Launch
  readonly settings: Readonly<Record<string, string>>
}

export const ADMIN = 'postgres'
export const PORT = 5432
/** A socket address holds 104 bytes on macOS, 108 on Linux. */
const SOCKET_PATH_BYTES_MAX = 100
const INITDB_TIMEOUT_MS = 120_000

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

export const preparePlace = async (wanted: string, settings: Place['settings']): Promise<Place> => {
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
export const removeLeftovers = async (directory: string) => {
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
export const createCluster = async ({ directory, cluster, user, programs, launch, settings }: Place) => {
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

export const readPassword = async (cluster: string) => {
  try {
    return (await fs.readFile(passwordFile(cluster), 'utf8')).trim()
  } catch (cause) {
    const advice = `Start Zapini as the user who started it first, ${WAY_OUT}`
    throw new Error(`The password of the embedded PostgreSQL cannot be read: ${textOf(cause)}. ${advice}`, {
      cause,
    })
  }
}
