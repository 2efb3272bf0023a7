import { execFile, spawn } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { PORT, type Place } from './embedded-cluster.ts'
import { environment } from './embedded-programs.ts'
import { unless } from './errors.ts'

const serverSettings = {
  shared_buffers: '128MB',
  max_connections: '60',
  fsync: 'on',
  synchronous_commit: 'on',
  wal_compression: 'on',
  max_wal_size: '2GB',
  // A file of the write-ahead log that is done with goes: kept for the next one, it would hold what was erased.
  wal_recycle: 'off',
  wal_keep_size: '0',
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
const POLL_MS = 20
const LOG_BYTES_MAX = 10_000_000
const LOG_TAIL_BYTES = 2_000
/** PostgreSQL's "fast" shutdown; where that hangs the "immediate" one, after which the next start replays the log. */
const shutdowns = [
  { signal: 'SIGINT', timeoutMs: 30_000 },
  { signal: 'SIGQUIT', timeoutMs: 10_000 },
] as const

/** Process id in the server's lock file, which stays behind after a crash. */
export const recordedPid = async (data: string) => {
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

export type Server = {
  readonly isRunning: () => boolean
  readonly lastLines: () => Promise<string>
  readonly end: () => void
}

/**
 * Spawns the server in a process group of its own, so that Ctrl-C in a terminal does not end it before us.
 * A process id in the lock file that now belongs to something else is named in PG_GRANDPARENT_PID, by which PostgreSQL
 * knows what to take no notice of; unlike removing the file, that keeps its check for processes of the dead server.
 */
export const startServer = async ({
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

const send = (signal: NodeJS.Signals, pid: number) => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    unless('ESRCH')(error)
  }
}

export const shutDown = async (data: string) => {
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
