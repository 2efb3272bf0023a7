import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { eventStoreDb } from '../../src/adapters/eventstoredb/event-store.ts'

const STAND_IN = join(import.meta.dirname, '../stand-ins/eventstoredb/main.ts')

/** Runs a TypeScript file as a process of its own that ends with this one, and hears its lines. */
export const runScript = (file: string, ...args: string[]) => {
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr.on('data', (part: Buffer) => (errors += part.toString()))
  const ended = new Promise<number | null>((done) => child.once('close', done))
  const lines = createInterface({ input: child.stdout })
  const iterator = lines[Symbol.asyncIterator]()
  return {
    child,
    ended,
    errors: () => errors,
    /** The next line that it prints. */
    line: async (): Promise<string> => {
      const { value, done } = await iterator.next()
      if (done) throw new Error(`${file} ended:\n${errors}`)
      return value
    },
  }
}

const end = async ({ child, ended }: { child: ChildProcess; ended: Promise<unknown> }) => {
  child.kill('SIGKILL')
  await ended
}

/** A stand-in for EventStoreDB as a process of its own; its log survives what is done to it. `stop` removes it. */
export const startEventStoreDb = async (...args: string[]) => {
  const data = await mkdtemp(join(tmpdir(), 'zapini-esdb-'))
  const start = async (port: number) => {
    const script = runScript(STAND_IN, '--guarded', '--port', String(port), '--data', data, ...args)
    return { ...script, url: await script.line() }
  }
  let running = await start(0)
  const { url } = running
  const port = Number(/:(\d+)\?/.exec(url)?.[1])
  return {
    url,
    port,
    kill: () => end(running),
    /** On the port that it had. */
    restart: async () => {
      running = await start(port)
    },
    freeze: () => void running.child.kill('SIGSTOP'),
    thaw: () => void running.child.kill('SIGCONT'),
    stop: async () => {
      await end(running)
      await rm(data, { recursive: true, force: true })
    },
  }
}
export type EventStoreDbServer = Awaited<ReturnType<typeof startEventStoreDb>>

/** A stand-in for one test. */
export const testEventStoreDb = async (...args: string[]) => {
  const server = await startEventStoreDb(...args)
  onTestFinished(server.stop)
  return server
}

/** The server that EVENTSTORE_URL names, a real one it may be; else a stand-in for all tests of a file. */
export const sharedEventStoreDb = () => {
  const given = process.env['EVENTSTORE_URL']
  let url = given ?? ''
  if (given === undefined) {
    let server: EventStoreDbServer
    beforeAll(async () => {
      server = await startEventStoreDb()
      url = server.url
    })
    afterAll(() => server.stop())
  }
  return { url: () => url, isStandIn: given === undefined }
}

/** Part of a log for one test: nobody else uses names that begin so. */
export const newPrefix = () => `test${randomBytes(6).toString('hex')}-`

/** An event store for one test, closed when it is over. */
export const testEventStore = (
  url: string,
  prefix = newPrefix(),
  times?: { attemptMs?: number; callMs?: number },
) => {
  const errors: unknown[] = []
  const store = eventStoreDb({
    url,
    prefix,
    onError: (error) => void errors.push(error),
    ...(times && { times }),
  })
  onTestFinished(store.close)
  return { ...store, prefix, errors }
}
