import type { Pool } from 'pg'
import { expect, test, vi } from 'vitest'
import { loadLargeLog } from '../../bench/large-log.ts'
import { createReadModels } from '../../src/projections/read-models.ts'
import { openBeside } from '../../src/projections/beside.ts'
import { projections } from '../../src/projections/index.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { testLog } from '../support/log.ts'
import { startCommand } from '../support/program.ts'
import { allRows } from '../support/rows.ts'

vi.setConfig({ testTimeout: 240_000 })

const EVENTS = 16_000
const all: readonly AnyProjection[] = Object.values(projections)

type Left = { readonly name: string; readonly position: string; readonly indexes: string[] }
/** What a replay that was killed has left. */
const left = async (pool: Pool): Promise<readonly Left[]> => {
  const { rows } = await pool.query<{ there: boolean }>(
    `select to_regclass('rebuild.checkpoint') is not null as there`,
  )
  if (!rows[0]?.there) return []
  return (await pool.query<Left>('select name, position::text, indexes from rebuild.checkpoint')).rows
}

test('a replay that is killed anywhere is finished by the same command, and ends equal to the live tables', async () => {
  const log = await testLog()
  const { pool, store, url } = log
  await loadLargeLog(store, EVENTS, Date.parse('2026-01-01T00:00:00Z'), () => {})
  const keeper = createReadModels({
    pool,
    store,
    onChanged: () => {},
    onError: (error) => log.errors.push(error),
  })
  await keeper.prepare()
  log.run(keeper)
  expect(await keeper.reached(await store.head(), 60_000, ...keeper.names)).toBe(true)
  const live = await allRows(pool)

  const start = () => startCommand(['replay'], { DATABASE_URL: url })
  const killWhen = async (isThere: (tables: readonly Left[], output: string) => boolean) => {
    const { child, output, ended } = start()
    await vi.waitFor(
      async () => {
        expect(child.exitCode, output()).toBeNull()
        expect(isThere(await left(pool), output())).toBe(true)
      },
      { timeout: 60_000, interval: 5 },
    )
    child.kill('SIGKILL')
    await ended
    expect(await allRows(pool)).toEqual(live)
  }

  await killWhen((tables) => tables.some(({ position }) => position !== '0'))
  await killWhen((tables) => tables.length > 0 && tables.every(({ position }) => BigInt(position) > 9000n))
  await killWhen((tables) => tables.some(({ indexes }) => indexes.length > 2))
  // Somebody who reads keeps the swap away.
  const reader = await pool.connect()
  await reader.query('begin; select from conversation limit 1')
  await killWhen((_tables, output) => output.includes('waiting'))
  await reader.query('commit')
  reader.release()

  const last = start()
  expect(await last.ended, last.output()).toBe(0)
  expect(last.output(), 'nothing is read twice').toMatch(/replayed +0 events in/)
  expect(last.output()).toMatch(new RegExp(`^message +${live['message']?.length} rows$`, 'm'))
  expect(await allRows(pool)).toEqual(live)
  const { rows } = await pool.query(`select from pg_namespace where nspname = 'rebuild'`)
  expect(rows).toEqual([])
  expect(log.errors).toEqual([])
})

test('a second replay beside one that is at work says so, and ends', async () => {
  const { pool, store, url } = await testLog()
  await loadLargeLog(store, 100, Date.parse('2026-01-01T00:00:00Z'), () => {})
  const first = await openBeside({ pool, store, projections: all, schema: 'rebuild', indexes: 'after' })
  const second = startCommand(['replay', 'message'], { DATABASE_URL: url })
  expect(await second.ended).toBe(1)
  expect(second.output()).toContain('Somebody else is at work in the schema rebuild')
  await first.close()
  expect(await startCommand(['replay'], { DATABASE_URL: url }).ended).toBe(0)
})
