import { readFile } from 'node:fs/promises'
import { expect, it, onTestFinished } from 'vitest'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { createTestDatabase } from '../support/database.ts'
import { proxyTo } from '../support/postgres-proxy.ts'
import { eventually } from '../support/eventually.ts'

/** What the timer of a connection to a port is for: 02 sees whether the other end still lives (proc(5)). */
const timersTo = async (port: number) => {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/))
  return lines.flatMap(([, , remote = '', state, , timer = '']) =>
    remote.endsWith(`:${wanted}`) && state === '01' ? [timer.slice(0, 2)] : [],
  )
}

it.runIf(process.platform === 'linux')(
  'a connection that only listens finds out that the other end has vanished',
  async () => {
    const database = await createTestDatabase()
    const way = await proxyTo(database.url)
    const pool = createPool(way.url, { max: 1, onError: () => {} })
    onTestFinished(async () => {
      await pool.end()
      await database.drop()
    })
    const client = await pool.connect()
    onTestFinished(() => client.release())
    await client.query('listen something')
    await eventually(async () => expect(await timersTo(Number(new URL(way.url).port))).toEqual(['02']))
  },
)

it('a connection that breaks in the hands of somebody who asks nothing ends neither the process nor the pool', async () => {
  const database = await createTestDatabase()
  const pool = createPool(database.url, { max: 2, onError: () => {} })
  onTestFinished(async () => {
    await pool.end()
    await database.drop()
  })
  const client = await pool.connect()
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const broken = new Promise((resolve) => client.once('end', resolve))
  await pool.query('select pg_terminate_backend($1)', [rows[0]?.pid])
  await broken
  await expect(client.query('select 1')).rejects.toThrow()
  client.release()
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
})

it('a server that stops while a pool ends is no fault', async () => {
  const database = await createTestDatabase()
  const way = await proxyTo(database.url)
  const faults: Error[] = []
  const pool = createPool(way.url, { max: 1, onError: (error) => faults.push(error) })
  await pool.query('select 1')
  way.hold()
  const closed = new Promise((done) => pool.once('remove', done))
  await pool.end()
  await database.drop()
  way.letGo()
  await closed
  expect(faults).toEqual([])
})
