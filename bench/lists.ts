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

const fail = (error: unknown): never => {
  throw error
}

const all: readonly AnyProjection[] = Object.values(projections)

/** What a call asked the database, in the same turns. */
const runQueries = async (pool: Pool, turns: Turns) => {
  for (const turn of turns) await Promise.all(turn.map(({ text, values }) => pool.query(text, [...values])))
}

/** Every call that reads a list, against the queries that it makes, in a world of a million messages. */
export const openLists: OpenSuite = async (databases, onProgress) => {
  const url = await databases.create('lists')
  await migrateDatabase(url)
  const pool = createPool(url, { max: CONNECTIONS, onError: fail })
  for (const projection of all) await ensureTable(pool, projection)
  await loadLargeWorld(pool, LARGE, new Date().toISOString(), onProgress)
  const landmarks = await findLandmarks(pool)
  onProgress('what each call asks')
  const paths = listCalls.map(({ path }) => path(landmarks))
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
  const cases = listCalls.flatMap(casesOf)
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
