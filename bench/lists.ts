import type { Pool } from 'pg'
import { createPool } from '../src/adapters/postgres/pool.ts'
import { ensureTable } from '../src/projections/checkpoint.ts'
import { projections } from '../src/projections/index.ts'
import type { AnyProjection } from '../src/projections/projection.ts'
import { timedLoop } from './closed-loop.ts'
import { migrateDatabase } from './database.ts'
import { LARGE, loadLargeWorld } from './large-world.ts'
import { findLandmarks, listCalls, type Call } from './list-calls.ts'
import { startProgram } from './program.ts'
import type { Turns } from './recorded-queries.ts'
import { queriesOf } from './recording.ts'
import type { Case, OpenSuite } from './suite.ts'

const CONNECTIONS = 4
/** There are many cases, and each call is short. */
const SAMPLE_SECONDS_MAX = 1
const WARM_UP_SECONDS = 0.1
const OVER_MS = 3

/** Those that a screen makes most, and the hardest of each kind; test/projections/lists.test.ts looks at all of them. */
const MEASURED: readonly string[] = [
  'list, first page',
  'list, for a screen',
  'list, deep page',
  'list, of an instance',
  'list, unread',
  'list, archived',
  'list, a common tag',
  'list, untagged',
  'list, found by a full name',
  'list, found by a common name',
  'list, found by a number',
  'list, found by one letter',
  'contacts, first page',
  'contacts, found by a full name',
  'messages, newest',
  'messages, before one',
  'messages, up to a day',
  'messages, for a screen',
  'search, a rare word',
  'search, a common word',
  'search, a common word in a conversation',
  'tags',
  'instances',
  'stats of an instance',
  'stats by day',
  'deliveries',
]

const fail = (error: unknown): never => {
  throw error
}

const all: readonly AnyProjection[] = Object.values(projections)

/** What a call asked the database, in the same turns. */
const runQueries = async (pool: Pool, turns: Turns) => {
  for (const turn of turns) await Promise.all(turn.map(({ text, values }) => pool.query(text, [...values])))
}

/** Calls that read lists, against the queries that it makes, in a world of a million messages. */
export const openLists: OpenSuite = async (databases, onProgress) => {
  const url = await databases.create('lists')
  await migrateDatabase(url)
  const pool = createPool(url, { max: CONNECTIONS, onError: fail })
  for (const projection of all) await ensureTable(pool, projection)
  await loadLargeWorld(pool, LARGE, new Date().toISOString(), onProgress)
  const landmarks = await findLandmarks(pool)
  onProgress('what each call asks')
  const calls = listCalls.filter(({ name }) => MEASURED.includes(name))
  const paths = calls.map(({ path }) => path(landmarks))
  const asked = await queriesOf(url, paths)
  const program = await startProgram(url, databases.folder)

  const seconds = (wanted: number) => Math.min(wanted, SAMPLE_SECONDS_MAX)
  const casesOf = ({ name, path }: Call, n: number): Case[] => {
    const turns = asked[n] ?? []
    const place = path(landmarks)
    return [
      {
        name,
        callers: 1,
        ceiling: `${name}: SQL`,
        aim: { overMs: OVER_MS },
        run: (wanted) => timedLoop(1, seconds(wanted), () => program.admin.call('GET', place)),
      },
      {
        name: `${name}: SQL`,
        callers: 1,
        run: (wanted) => timedLoop(1, seconds(wanted), () => runQueries(pool, turns)),
      },
    ]
  }
  const cases = calls.flatMap(casesOf)
  for (const { run } of cases) await run(WARM_UP_SECONDS)

  return {
    unit: 'calls',
    about: `Lists, searches and messages over HTTP, of a tenant with ${LARGE.conversations} conversations and ${LARGE.messages} messages, beside another
one. Ceiling: the queries that the call makes, and nothing else, with pg.`,
    cases,
    close: async () => {
      await program.stop()
      await pool.end()
    },
  }
}
