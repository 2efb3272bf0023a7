import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'
import { migrate } from '../../src/adapters/postgres/migrations.ts'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { Kysely, PostgresDialect } from 'kysely'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Connection string of the PostgreSQL server that all test files share. */
    postgres: string
  }
}

export const TEMPLATE = 'zapini_template'

/** One real PostgreSQL for the whole run, with a migrated database to copy. */
export default async function setup(project: TestProject) {
  const directory = await mkdtemp(join(tmpdir(), 'zapini-test-'))
  const settings = {
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    // Passwords are no secrets here, and there are thousands of connections.
    scram_iterations: '1',
    max_connections: '600',
    // Its workers cannot be sent away by the role of the tests, which then cannot drop a database under them.
    autovacuum: 'off',
  }
  const server = await startEmbeddedPostgres({ directory, settings })

  const admin = new pg.Client({ connectionString: server.connectionString })
  await admin.connect()
  await admin.query(`create database ${TEMPLATE}`)
  await admin.end()
  const pool = createPool(databaseUrl(server.connectionString, TEMPLATE), { max: 1, onError: () => {} })
  await migrate(new Kysely({ dialect: new PostgresDialect({ pool }) }))
  await pool.end()

  project.provide('postgres', server.connectionString)
  return async () => {
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

export const databaseUrl = (connectionString: string, database: string) =>
  connectionString.replace(/\/[^/?]*(\?|$)/, `/${database}$1`)
