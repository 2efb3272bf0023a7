import { expect, test } from 'vitest'
import { inProcessTurns } from '../../src/adapters/in-process/turns.ts'
import { createTurnPool } from '../../src/adapters/postgres/pool.ts'
import { postgresTurns } from '../../src/adapters/postgres/turns.ts'
import { lasting, turnsContract, WAIT_MS } from '../contracts/turns.ts'
import { createTestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

turnsContract('of one process', async () => {
  const turns = inProcessTurns(WAIT_MS)
  return { nodes: [turns, turns], stop: () => Promise.resolve() }
})

/** So many nodes on one database, each with so many connections for its turns. */
const startNodes = async (count: number, max = 2) => {
  const database = await createTestDatabase()
  const faults: unknown[] = []
  const onError = (error: unknown) => void faults.push(error)
  const pools = Array.from({ length: count }, () => createTurnPool(database.url, { max, onError }))
  return {
    nodes: pools.map((pool) => postgresTurns(pool, onError, WAIT_MS)),
    pools,
    faults,
    stop: async () => {
      await Promise.all(pools.map((pool) => pool.end()))
      await database.drop()
    },
  }
}

turnsContract('of PostgreSQL', async () => {
  const { nodes, stop } = await startNodes(2)
  const [here, there] = nodes
  if (!here || !there) throw new Error('Two nodes are needed')
  return { nodes: [here, there], stop }
})

test('many that wait for one key occupy one connection of their node', async () => {
  const { nodes, pools, stop } = await startNodes(1)
  const [inTurn, pool] = [nodes[0] ?? expect.unreachable(), pools[0]]
  const first = lasting()
  const all = [first.task, ...Array<typeof first.task>(20).fill(async () => {})].map((task) =>
    inTurn('one', task),
  )
  await first.begun
  expect(pool).toMatchObject({ totalCount: 1, waitingCount: 0 })
  expect(await inTurn('another', async () => 'runs')).toBe('runs')
  first.end()
  await Promise.all(all)
  await stop()
})

/** Sessions that hold a turn of this database, or wait for one. */
const SESSIONS = `select pid, granted from pg_locks join pg_database d on d.oid = database
  where locktype = 'advisory' and classid = 7266002 and datname = current_database()`

test('a turn goes over as soon as it ends on the other node', async () => {
  const { nodes, pools, stop } = await startNodes(2)
  const first = lasting()
  const held = nodes[0]?.('one', first.task)
  await first.begun
  const order: string[] = []
  const waiting = nodes[1]?.('one', async () => void order.push('there'))
  await eventually(async () => {
    const sessions = await pools[0]?.query(SESSIONS)
    expect(sessions?.rows.map(({ granted }) => granted).toSorted()).toEqual([false, true])
  })
  order.push('here')
  first.end()
  await Promise.all([held, waiting])
  expect(order).toEqual(['here', 'there'])
  await stop()
})

test('a connection that breaks gives its turn up, and it is told that another may have run beside it', async () => {
  const { nodes, pools, faults, stop } = await startNodes(2)
  const first = lasting()
  const held = nodes[0]?.('one', first.task)
  await first.begun
  await pools[1]?.query(`select pg_terminate_backend(pid) from (${SESSIONS}) session`)
  expect(await nodes[1]?.('one', async () => 'runs')).toBe('runs')
  first.end()
  await held
  await eventually(() =>
    expect(faults.map(String)).toContain('Error: The turn "one" was lost while it lasted'),
  )
  expect(await nodes[0]?.('one', async () => 'runs again')).toBe('runs again')
  await stop()
})
