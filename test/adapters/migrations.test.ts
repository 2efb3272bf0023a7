import { randomBytes } from 'node:crypto'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { migrate } from '../../src/adapters/postgres/migrations.ts'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { databaseUrl } from '../support/postgres-server.ts'

/** A database without anything in it. */
const emptyDatabase = async () => {
  const name = `empty_${randomBytes(6).toString('hex')}`
  const client = new pg.Client({ connectionString: inject('postgres') })
  await client.connect()
  await client.query(`create database ${name}`)
  onTestFinished(async () => {
    await client.query(`drop database ${name} with (force)`)
    await client.end()
  })
  return databaseUrl(inject('postgres'), name)
}

test('several nodes that start at once on an empty database all find it ready', async () => {
  const url = await emptyDatabase()
  const pools = [1, 2, 3, 4].map(() => createPool(url, { max: 2, onError: () => {} }))
  await Promise.all(pools.map((pool) => migrate(new Kysely({ dialect: new PostgresDialect({ pool }) }))))
  const [pool] = pools
  if (!pool) throw new Error('There is no pool')
  expect(await postgresNumbers(pool)('tenant')).toBe(1)
  const { rows } = await pool.query('select count(*)::integer as leases from lease')
  expect(rows).toEqual([{ leases: 0 }])
  await Promise.all(pools.map((one) => one.end()))
})
