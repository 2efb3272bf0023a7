import { expect, test } from 'vitest'
import { inProcessCounters } from '../../src/adapters/in-process/counters.ts'
import { postgresCounters } from '../../src/adapters/postgres/counters.ts'
import { createWorkPool } from '../../src/adapters/postgres/pool.ts'
import { countersContract } from '../contracts/counters.ts'
import { createTestDatabase, testPool } from '../support/database.ts'

countersContract('of one process', async () => {
  const counters = inProcessCounters()
  return { nodes: [counters, counters], stop: () => Promise.resolve() }
})

countersContract('of PostgreSQL', async () => {
  const database = await createTestDatabase()
  const pool = () => createWorkPool(database.url, { max: 2, onError: () => {} })
  const [here, there] = [pool(), pool()]
  return {
    nodes: [postgresCounters(here, () => {}), postgresCounters(there, () => {})],
    stop: async () => {
      await Promise.all([here.end(), there.end()])
      await database.drop()
    },
  }
})

test('who asks waits no longer than a moment for counters that do not answer', async () => {
  const pool = await testPool()
  const { add } = postgresCounters(pool, () => {})('requests', 60)
  await add('a')
  const other = await pool.connect()
  await other.query('begin; lock table counter')
  await expect(add('a')).rejects.toThrow('do not answer')
  await other.query('rollback')
  other.release()
  await expect.poll(async () => (await add('a')).count).toBeGreaterThan(2)
})
