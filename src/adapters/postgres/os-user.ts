import { execFile } from 'node:child_process'
import type { Stats } from 'node:fs'
import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

/** The account that PostgreSQL runs as when we are root, since it refuses to run as root. */
export type OsUser = { readonly uid: number; readonly gid: number }

/** What to give to `spawn` so that a command runs as that account. */
export type Launch = (
  file: string,
  args: readonly string[],
) => { readonly file: string; readonly args: string[]; readonly options: Partial<OsUser> }

export const isRoot = () => process.getuid?.() === 0

const preferredAccounts = ['postgres', '_postgres', 'nobody']
const lastSystemUid = 999

const accounts = async () => {
  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n')
  return lines.flatMap((line) => {
    const [, name, uid, gid] = /^([^:#]+):[^:]*:(\d+):(\d+):/.exec(line) ?? []
    return name === undefined || Number(uid) === 0 ? [] : [{ name, uid: Number(uid), gid: Number(gid) }]
  })
}

/**
 * The account for the cluster at that path: its owner if it exists, else `postgres`, `nobody` or any other system
 * account. Undefined when we are not root: then PostgreSQL runs as ourselves.
 */
export const chooseOsUser = async (cluster: string): Promise<OsUser | undefined> => {
  if (!isRoot()) return undefined
  const owner = await stat(cluster).catch(() => undefined)
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const all = await accounts()
  const account =
    preferredAccounts.map((name) => all.find((one) => one.name === name)).find((one) => one !== undefined) ??
    all.find((one) => one.uid <= lastSystemUid)
  if (account) return { uid: account.uid, gid: account.gid }
  throw new Error(
    'PostgreSQL refuses to run as root and /etc/passwd has no other account for it. Start Zapini as another user ' +
      'than root, or set DATABASE_URL to a PostgreSQL of your own.',
  )
}

const READ = 4
const ENTER = 1

const permits = (found: Stats, user: OsUser, bits: number) => {
  const shift = found.uid === user.uid ? 6 : found.gid === user.gid ? 3 : 0
  return ((found.mode >> shift) & bits) === bits
}

/** Whether the account may enter all folders above the path, and the folder itself or read the file itself. */
const isOpenTo = async (user: OsUser, path: string) => {
  const target = await realpath(path)
  const found = await stat(target)
  if (!permits(found, user, found.isDirectory() ? ENTER : READ)) return false
  for (let folder = dirname(target); ; folder = dirname(folder)) {
    if (!permits(await stat(folder), user, ENTER)) return false
    if (folder === dirname(folder)) return true
  }
}

/** Either lets a process pass closed folders. The first gives no right to write; containers often lack it. */
const passingCapabilities = ['dac_read_search', 'dac_override']

/**
 * `no_setuid_fixup` makes access(2), by which PostgreSQL checks its own program files, respect the capability;
 * without it access(2) ignores the capabilities of every user but root.
 */
const setprivArguments = ({ uid, gid }: OsUser, capability: string) => [
  `--reuid=${uid}`,
  `--regid=${gid}`,
  '--clear-groups',
  '--securebits=+no_setuid_fixup',
  `--inh-caps=-all,+${capability}`,
  `--ambient-caps=-all,+${capability}`,
  '--',
]

/**
 * How to start a command as the account, so that it reaches all those paths. Where closed folders are in the way (a
 * checkout in /root), the command gets one capability that passes them, through `setpriv` of util-linux.
 */
export const launchAs = async (user: OsUser | undefined, paths: readonly string[]): Promise<Launch> => {
  if (!user) return (file, args) => ({ file, args: [...args], options: {} })
  const open = await Promise.all(paths.map((path) => isOpenTo(user, path)))
  const closed = paths.find((_, index) => !open[index])
  if (closed === undefined) return (file, args) => ({ file, args: [...args], options: user })

  for (const capability of passingCapabilities) {
    const prefix = setprivArguments(user, capability)
    const works = await promisify(execFile)('setpriv', [...prefix, 'test', '-r', closed], { cwd: '/' }).then(
      () => true,
      () => false,
    )
    if (works) return (file, args) => ({ file: 'setpriv', args: [...prefix, file, ...args], options: {} })
  }
  throw new Error(
    `PostgreSQL refuses to run as root, and the account that it would run as (uid ${user.uid}) may not enter ` +
      `${closed}. Do one of these: start Zapini as another user than root; move the folder to where every user may ` +
      'enter; install setpriv (package util-linux); set DATABASE_URL to a PostgreSQL of your own.',
  )
}
