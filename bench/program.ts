import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPoster, textAt } from './http.ts'

const START_MS = 60_000
const LOOK_EVERY_MS = 20
export const ADMIN = { email: 'bench@example.com', password: 'a long password' }

/**
 * A Node program as a process of its own, its output going to a file as under a service manager. Resolves with the
 * first match of `ready` in that output.
 */
export const startProcess = async (
  file: string,
  environment: Record<string, string>,
  logFile: string,
  ready: RegExp,
  startMs = START_MS,
) => {
  const output = await open(logFile, 'w')
  // BENCH_NODE_OPTIONS: for a profiler, such as --cpu-prof.
  const flags = (process.env['BENCH_NODE_OPTIONS'] ?? '').split(' ').filter((flag) => flag !== '')
  const child = spawn(process.execPath, [...flags, file], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    stdio: ['ignore', output.fd, output.fd],
  })
  await output.close()
  const ended = new Promise<void>((done) => child.once('close', () => done()))
  process.once('exit', () => child.kill())
  const stop = async () => {
    child.kill('SIGINT')
    await ended
  }
  const deadline = performance.now() + startMs
  while (performance.now() < deadline && child.exitCode === null) {
    const found = ready.exec(await readFile(logFile, 'utf8'))
    if (found) return { found: found[1] ?? '', stop }
    await sleep(LOOK_EVERY_MS)
  }
  await stop()
  throw new Error(`${file} did not get ready:\n${await readFile(logFile, 'utf8')}`)
}

/** The built program with its default settings but for the rate limit, on a database of its own, logged in to. */
export const startProgram = async (databaseUrl: string, folder: string, startMs?: number) => {
  const { found: url, stop } = await startProcess(
    resolve('dist/main.js'),
    {
      PORT: '0',
      DATABASE_URL: databaseUrl,
      SANDBOX: 'true',
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      OUTBOUND_ALLOW: '127.0.0.0/8',
      RATE_LIMIT_REQUESTS: '0',
    },
    join(folder, 'program.log'),
    /Zapini is ready at (\S+)/,
    startMs,
  )
  const anybody = createPoster(url, undefined, 1)
  const login = await anybody.call('POST', '/auth/login', ADMIN)
  await anybody.close()
  const admin = createPoster(url, textAt(login, 'data', 'token'), 1)
  return {
    url,
    admin,
    stop: async () => {
      await admin.close()
      await stop()
    },
  }
}
export type Program = Awaited<ReturnType<typeof startProgram>>

/** A sandbox instance that is connected, and a token for it. */
export const connectInstance = async ({ admin }: Program) => {
  const made = await admin.call('POST', '/instances', { name: 'bench', provider: 'sandbox' })
  const id = textAt(made, 'data', 'instance', 'uuid')
  await admin.call('POST', `/sandbox/instances/${id}/scan`, {})
  const issued = await admin.call('POST', `/instances/${id}/tokens`, { name: 'bench' })
  return { id, token: textAt(issued, 'data', 'token') }
}
