import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { postgresEventStore } from '../src/adapters/postgres/event-store.ts'
import { createLogPool, createWorkPool } from '../src/adapters/postgres/pool.ts'
import { postgresSealingKeys } from '../src/adapters/postgres/sealing-keys.ts'
import { createChainKeeper } from '../src/chain/keep.ts'
import { addLink, linkAfter, NO_LINK } from '../src/chain/links.ts'
import { verifyLog } from '../src/cli/verify/log.ts'
import { START, type EventStore, type Recorded } from '../src/ports/event-store.ts'
import { eventsOf } from '../src/read-log.ts'
import { sealedStore } from '../src/sealed-store.ts'
import { migrateDatabase } from './database.ts'
import { loadLargeLog } from './large-log.ts'
import { readAndParse } from './log-pages.ts'
import type { Case, OpenSuite, Run } from './suite.ts'

/** Whole links, so that none waits for more. */
const EVENTS = 50_000
const LINK = 1000
const LOOK_MS = 5

const fail = (error: unknown): never => {
  throw error
}
const timed = async (work: () => Promise<number>): Promise<Run> => {
  const startedAt = performance.now()
  const operations = await work()
  return { operations, seconds: (performance.now() - startedAt) / 1000, latenciesMs: [] }
}

const keepFromStart = async (pool: Pool, stored: EventStore) => {
  await pool.query('truncate log_digest')
  const stopping = new AbortController()
  const keeper = createChainKeeper({ pool, stored, onDigest: () => {}, onError: fail })
  const stopped = keeper.run(stopping.signal)
  const head = await stored.head()
  while (keeper.status().position < head) await sleep(LOOK_MS)
  stopping.abort()
  await stopped
  return EVENTS
}

const linkAtHand = async (pool: Pool, events: readonly Recorded[]) => {
  await pool.query('truncate log_digest')
  let link = NO_LINK
  for (let n = 0; n < events.length; n += LINK) {
    const next = linkAfter(link, events.slice(n, n + LINK))
    if (!(await addLink(pool, next, link))) throw new Error('The link was not added')
    link = next
  }
  return events.length
}

/** What the hash chain costs, and a look at the whole log. */
export const openChain: OpenSuite = async (databases, onProgress) => {
  const url = await databases.create('chain')
  await migrateDatabase(url)
  const pool = createWorkPool(url, { max: 4, onError: fail })
  const logPool = createLogPool(url, { max: 4, onError: fail })
  const stored = postgresEventStore(logPool, fail)
  const keys = postgresSealingKeys({
    pool: logPool,
    listenPool: pool,
    master: undefined,
    alone: true,
    onError: fail,
  })
  await loadLargeLog(sealedStore(stored, keys), EVENTS, Date.now(), onProgress)
  await pool.query('vacuum analyze event')
  const events: Recorded[] = []
  for await (const event of eventsOf(stored, START, await stored.head())) events.push(event)

  const byHand = 'read and parse, by hand'
  const cases: Case[] = [
    { name: 'events at hand', callers: 1, run: () => timed(() => linkAtHand(pool, events)) },
    {
      name: 'from the start of the log',
      callers: 1,
      ceiling: byHand,
      run: () => timed(() => keepFromStart(pool, stored)),
    },
    {
      name: 'verify the log',
      callers: 1,
      ceiling: byHand,
      run: () =>
        timed(async () => {
          const report = await verifyLog({ pool, stored, keys, max: 10, onProgress: () => {} })
          if (report.differences.count > 0) throw new Error('The log is not as it was')
          return report.events
        }),
    },
    { name: byHand, callers: 1, run: () => timed(() => readAndParse(logPool)) },
  ]
  for (const { run } of cases) await run(0)

  return {
    unit: 'events',
    about: `The hash chain over ${EVENTS} events of which two thirds are sealed: as it follows the log of a program that runs, whose
events are at hand; as it catches up with a log that is there; and \`zapini verify --log\`. Ceiling: the same log read in
pages of 1000 with pg, and nothing done with it.`,
    cases,
    close: async () => {
      await keys.close()
      await stored.close()
      await Promise.all([pool.end(), logPool.end()])
    },
  }
}
