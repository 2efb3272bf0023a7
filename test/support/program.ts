import { spawn, type ChildProcess } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const MAIN = join(import.meta.dirname, '../../dist/main.js')
const START_MS = 60_000
const LOOK_EVERY_MS = 25

const environmentOf = (environment: Record<string, string>) => ({
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  PORT: '0',
  LOG_LEVEL: 'warn',
  SANDBOX: 'true',
  ...environment,
})

/** A command of the built program, such as `replay`, as a process of its own. */
export const startCommand = (args: readonly string[], environment: Record<string, string>) => {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: environmentOf(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (part: Buffer) => (output += part.toString()))
  child.stderr.on('data', (part: Buffer) => (output += part.toString()))
  const ended = new Promise<number | null>((done) => child.once('close', (code) => done(code)))
  return { child, output: () => output, ended }
}

/**
 * The built program as a process of its own, once it is ready. `environment` replaces the caller's, but for PATH and HOME;
 * `meanwhile` is done while it starts.
 */
export const startProgram = async (
  environment: Record<string, string>,
  meanwhile?: (output: () => string) => Promise<unknown>,
) => {
  const { child, output, ended } = startCommand([], environment)
  const [url] = await Promise.all([urlIn(output, child), meanwhile?.(output)])
  return {
    url,
    pid: child.pid ?? 0,
    output,
    ended,
    /** As Ctrl-C does; answers the exit code. */
    stop: async () => {
      child.kill('SIGINT')
      return ended
    },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}
export type Program = Awaited<ReturnType<typeof startProgram>>

const urlIn = async (output: () => string, child: ChildProcess): Promise<string> => {
  const deadline = Date.now() + START_MS
  while (Date.now() < deadline) {
    const found = /Zapini is ready at (\S+)/.exec(output())?.[1]
    if (found) return found
    if (child.exitCode !== null) throw new Error(`The program ended with ${child.exitCode}:\n${output()}`)
    await sleep(LOOK_EVERY_MS)
  }
  child.kill('SIGKILL')
  throw new Error(`The program did not get ready:\n${output()}`)
}

/** A port that was free just now. */
export const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return port
}
