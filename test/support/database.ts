import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject, onTestFinished } from 'vitest'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { databaseUrl, TEMPLATE } from './postgres-server.ts'

/** Runs one statement on the shared server, outside any test database. */
const administer = async (statement: string) => {
  const client = new pg.Client({ connectionString: inject('postgres') })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** A fresh, migrated database of its own; `drop` when done with it. */
export const createTestDatabase = async () => {
  const name = `test_${randomBytes(6).toString('hex')}`
  // Copying files takes a third of the time that the usual strategy takes, which writes every page to the log.
  await administer(`create database ${name} template ${TEMPLATE} strategy file_copy`)
  return {
    url: databaseUrl(inject('postgres'), name),
    drop: () => administer(`drop database if exists ${name} with (force)`),
  }
}

/** A pool on a fresh database, closed and dropped when the test is over. */
export const testPool = async (max = 10) => {
  const database = await createTestDatabase()
  const errors: Error[] = []
  const pool = createPool(database.url, { max, onError: (error) => errors.push(error) })
  onTestFinished(async () => {
    await pool.end()
    await database.drop()
  })
  return pool
}
