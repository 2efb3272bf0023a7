import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { loadConfig } from '../src/config.ts'
import { createLog } from '../src/log.ts'
import { openStorage } from '../src/storage.ts'
import { START, type EventStore } from '../src/ports/event-store.ts'
import { readLog } from '../src/read-log.ts'
import { openBeside } from '../src/projections/beside.ts'
import { projections } from '../src/projections/index.ts'
import type { AnyProjection } from '../src/projections/projection.ts'
import { createPoster, type Poster } from './http.ts'
import { loadLargeLog } from './large-log.ts'
import { readAndParse } from './log-pages.ts'
import { messagesByHand } from './messages-by-hand.ts'
import { connectInstance, startProgram } from './program.ts'
import type { Case, OpenSuite, Run } from './suite.ts'
import { nextIncoming, nextOutgoing } from './traffic.ts'

/** The program makes its read models at its first start, one event after the other. */
const START_MS = 3_600_000
const LOOK_MS = 200
const SETTLED_MS = 30_000
/** Longer than any read model rests between two looks. */
const REST_MS = 3000
/** Messages that come in and go out meanwhile, a second. */
const RECEIVED_PER_SECOND = 20
const SENT_PER_SECOND = 10
const SCHEMA = 'compared'

const all: readonly AnyProjection[] = Object.values(projections)

/** What the built program says of itself as `zapini …`, and the most memory that it took. */
const zapini = async (databaseUrl: string, ...words: readonly string[]) => {
  const child = spawn(process.execPath, [resolve('dist/main.js'), ...words], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DATABASE_URL: databaseUrl,
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => (output += part.toString()))
  let peakMb = 0
  const timer = setInterval(() => (peakMb = peakOf(child.pid ?? 0) ?? peakMb), LOOK_MS)
  const [code] = (await once(child, 'close')) as [number]
  clearInterval(timer)
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}:\n${output}`)
  const [summary = ''] = /\d+ events in .*$/m.exec(output) ?? []
  return `${summary}, with at most ${peakMb} MB`
}

const peakOf = (pid: number): number | undefined => {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kilobytes === undefined ? undefined : Math.round(Number(kilobytes) / 1024)
  } catch {
    return undefined
  }
}

/** Number and checksum of the rows of each read model. */
const sumsOf = async (pool: Pool, schema: string): Promise<string> => {
  const sums: string[] = []
  for (const { name } of all) {
    const { rows } = await pool.query<{ sum: string }>(
      `select concat(count(*), ' ', bit_xor(hashtextextended(t::text, 0))) as sum from ${schema}.${name} t`,
    )
    sums.push(`${name} ${rows[0]?.sum ?? ''}`)
  }
  return sums.join('\n')
}

/** The same once nothing changes any more, while nothing is asked of the program. */
const settledSums = async (pool: Pool): Promise<string> => {
  for (let last = await sumsOf(pool, 'public'); ;) {
    await sleep(REST_MS)
    const now = await sumsOf(pool, 'public')
    if (now === last) return now
    last = now
  }
}

/** Resolves once the live tables are as the log says; fails if they do not become so. */
const compare = async (pool: Pool, store: EventStore) => {
  const beside = await openBeside({ pool, store, projections: all, schema: SCHEMA, indexes: 'none' })
  try {
    const deadline = performance.now() + SETTLED_MS
    for (;;) {
      await beside.readOn(await store.head())
      const [live, told] = [await sumsOf(pool, 'public'), await sumsOf(pool, SCHEMA)]
      if (live === told) return
      if (performance.now() > deadline) throw new Error(`The tables differ:\n${live}\n\n${told}`)
      await sleep(LOOK_MS)
    }
  } finally {
    await beside.drop()
  }
}

/** Messages come in and go out at an even pace until `stop`, which answers how long each took. */
const startTraffic = (poster: Poster, instanceId: string) => {
  const latenciesMs: number[] = []
  const calls: Promise<void>[] = []
  const call = async (path: string, body: unknown) => {
    const startedAt = performance.now()
    await poster.call('POST', path, body)
    latenciesMs.push(performance.now() - startedAt)
  }
  const every = (perSecond: number, ask: () => Promise<void>) =>
    setInterval(() => void calls.push(ask()), 1000 / perSecond)
  const timers = [
    every(RECEIVED_PER_SECOND, () => call(`/webhooks/instance/${instanceId}/incoming`, nextIncoming().body)),
    every(SENT_PER_SECOND, () => call('/send-message', nextOutgoing())),
  ]
  return async () => {
    for (const timer of timers) clearInterval(timer)
    await Promise.all(calls)
    return latenciesMs
  }
}

const readOpened = async (store: EventStore) => {
  let count = 0
  for await (const batch of readLog(store, START, await store.head())) count += batch.length
  return count
}

const timed = async (work: () => Promise<number>): Promise<Run> => {
  const startedAt = performance.now()
  const operations = await work()
  return { operations, seconds: (performance.now() - startedAt) / 1000, latenciesMs: [] }
}

/** All read models made anew, and verified, by the commands, from a large log, while the program serves. */
export const openReplay: OpenSuite = async (databases, onProgress, { events }) => {
  const url = await databases.create('replay')
  const storage = await openStorage(loadConfig({ DATABASE_URL: url }), createLog('warn'), { visiting: true })
  const { store, logPool, workPool: pool } = storage
  await loadLargeLog(store, events, Date.now(), onProgress)
  await pool.query('vacuum analyze event')
  onProgress('the program makes its read models')
  const startedAt = performance.now()
  const program = await startProgram(url, databases.folder, START_MS)
  const notes = [
    `- The program made the same read models live, at its start, in ${Math.round((performance.now() - startedAt) / 1000)} s.`,
  ]
  const { id, token } = await connectInstance(program)
  const poster = createPoster(program.url, token, 8)

  const replayQuietly = async (tables: readonly string[] = []) => {
    const before = await settledSums(pool)
    const run = await timed(async () => {
      const said = await zapini(url, 'replay', ...tables)
      notes.push(`- ${['replay', ...tables].join(' ')}: ${said}; every row as it was live.`)
      return Number(await store.head())
    })
    const after = await sumsOf(pool, 'public')
    if (after !== before) throw new Error(`The tables differ:\n${before}\n\n${after}`)
    return run
  }
  const verify = (what: '--log' | '--tables') =>
    timed(async () => {
      notes.push(`- verify ${what}: ${await zapini(url, 'verify', what)}; all is well.`)
      return Number(await store.head())
    })
  const replayBesideTraffic = async () => {
    const stop = startTraffic(poster, id)
    const run = await timed(async () => {
      const said = await zapini(url, 'replay')
      notes.push(`- replay, beside traffic: ${said}; every row as the log says at the end.`)
      return Number(await store.head())
    })
    const latenciesMs = await stop()
    await compare(pool, store)
    return { ...run, latenciesMs }
  }
  const trafficAlone = async (seconds: number): Promise<Run> => {
    const stop = startTraffic(poster, id)
    await sleep(seconds * 1000)
    const latenciesMs = await stop()
    return { operations: latenciesMs.length, seconds, latenciesMs }
  }

  const [reading, byHand] = ['read and parse the log, by hand', 'messages, by hand, all in memory']
  const cases: Case[] = [
    { name: 'replay, all read models', callers: 1, ceiling: reading, run: () => replayQuietly() },
    { name: 'replay, all, beside traffic', callers: 1, ceiling: reading, run: replayBesideTraffic },
    { name: 'verify, the log', callers: 1, ceiling: reading, run: () => verify('--log') },
    { name: 'verify, the tables', callers: 1, ceiling: reading, run: () => verify('--tables') },
    { name: reading, callers: 1, run: () => timed(() => readAndParse(logPool)) },
    {
      name: 'read the log, and open what is sealed',
      callers: 1,
      ceiling: reading,
      run: () => timed(() => readOpened(store)),
    },
    { name: 'replay, messages', callers: 1, ceiling: byHand, run: () => replayQuietly(['message']) },
    { name: byHand, callers: 1, run: () => timed(() => messagesByHand(pool, store)) },
    { name: 'traffic alone', callers: 1, run: trafficAlone },
  ]
  return {
    unit: 'events',
    about: `\`zapini replay\` and \`zapini verify\` over ${events} events of two tenants, beside the program that serves. Beside traffic: ${RECEIVED_PER_SECOND} messages come in and
${SENT_PER_SECOND} go out a second, whose latencies are shown. Ceilings: the log read in pages of 1000 with pg and parsed, and nothing
else, its events not even opened; the messages folded by code for this one table, all of them in memory, and written at the end.`,
    cases,
    notes: () => notes,
    close: async () => {
      await poster.close()
      await program.stop()
      await storage.close()
    },
  }
}
