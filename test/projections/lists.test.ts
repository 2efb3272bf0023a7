import type { Pool, PoolClient } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadLargeWorld } from '../../bench/large-world.ts'
import { findLandmarks, listCalls } from '../../bench/list-calls.ts'
import { recordQueries, type Query } from '../../bench/recorded-queries.ts'
import { startApp } from '../support/app.ts'
import { planOf } from '../support/plans.ts'

const SIZE = { conversations: 20_000, messages: 100_000 }
const UNTIL = '2025-11-25T12:00:00.000Z'
/** Tables with fewer rows are read from end to end at will. */
const BIG = 1000

let app: Awaited<ReturnType<typeof startApp>>
let pool: Pool
let big: string[]
const asked = new Map<string, readonly Query[]>()

beforeAll(async () => {
  app = await startApp()
  pool = app.pool
  const t = performance.now()
  await loadLargeWorld(pool, SIZE, UNTIL)
  console.log(performance.now() - t)
  const { rows } = await pool.query<{ name: string }>(
    `select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and reltuples > $1`,
    [BIG],
  )
  big = rows.map(({ name }) => name)
  const landmarks = await findLandmarks(pool)
  const record = recordQueries(pool)
  for (const { name, path } of listCalls) {
    const turns = await record(async () => {
      const { status, body } = await app.admin.get(path(landmarks))
      expect(body, name).toMatchObject({ success: true })
      expect(status).toBe(200)
    })
    asked.set(name, turns.flat())
  }
})
afterAll(() => app.stop())

it.each(listCalls)('$name', async ({ name }) => {
  for (const query of asked.get(name) ?? []) {
    const { wholeTables, pages } = await planOf(pool, query)
    console.log(name.padEnd(45), pages, wholeTables.filter((t) => big.includes(t)), query.text.slice(0, 60))
  }
})
