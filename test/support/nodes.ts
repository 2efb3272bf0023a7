import { onTestFinished } from 'vitest'
import { postgresLeases } from '../../src/adapters/postgres/leases.ts'
import { createLeasePool, createTurnPool } from '../../src/adapters/postgres/pool.ts'
import { postgresTurns } from '../../src/adapters/postgres/turns.ts'
import type { Parts } from '../../src/app/parts.ts'
import { startApp } from './app.ts'
import { createTestDatabase } from './database.ts'
import { proxyTo } from './postgres-proxy.ts'

/** Short, so that tests need not wait long for a node that is gone. */
const TIMES = { leaseMs: 1500, renewMs: 250, lookMs: 100 }

/** A database that several nodes share, dropped when the test is over. */
export const sharedDatabase = async () => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  let nodes = 0

  /** A node with some roles. `lose` cuts its way to the database, as a crash does for the others. */
  const startNode = async (
    roles: string,
    environment: Record<string, string> = {},
    replace: Partial<Parts> = {},
  ) => {
    const way = await proxyTo(database.url)
    const name = `node-${++nodes}`
    const node = { name, url: `http://${name}` }
    const pool = createLeasePool(way.url, () => {})
    const turnPool = createTurnPool(way.url, { max: 4, onError: () => {} })
    const app = await startApp(
      { ROLES: roles, ...environment },
      {
        alone: false,
        node,
        leases: postgresLeases(pool, node, () => {}, TIMES),
        turns: postgresTurns(turnPool, () => {}),
        ...replace,
      },
      { url: way.url, drop: () => Promise.resolve() },
    )
    let isGone = false
    const leave = async () => {
      if (isGone) return
      isGone = true
      await app.leave()
      await Promise.all([pool.end(), turnPool.end()])
    }
    onTestFinished(async () => {
      way.mend()
      await leave()
    })
    return { ...app, node, leave, lose: way.cut, mend: way.mend }
  }
  return { ...database, startNode }
}
export type TestNode = Awaited<ReturnType<Awaited<ReturnType<typeof sharedDatabase>>['startNode']>>
