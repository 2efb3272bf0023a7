import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { startEmbeddedPostgres } from '../src/adapters/postgres/embedded.ts'
import { migrate } from '../src/adapters/postgres/migrations.ts'

/**
 * An embedded PostgreSQL with the settings that the program gives it. Its data is under ./data, not in the system's
 * temporary folder, which is often in memory: there, durable would mean nothing.
 */
export const startDatabase = async () => {
  const parent = resolve('data')
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(join(parent, 'bench-'))
  const server = await startEmbeddedPostgres({ directory: join(folder, 'postgres') })

  const ask = async (statement: string) => {
    const client = new pg.Client({ connectionString: server.connectionString })
    await client.connect()
    const { rows } = await client.query<Record<string, string>>(statement)
    await client.end()
    return rows
  }
  const create = async (purpose: string): Promise<string> => {
    const name = `bench_${purpose}_${randomBytes(3).toString('hex')}`
    await ask(`create database ${name}`)
    return server.connectionString.replace('@/zapini?', `@/${name}?`)
  }

  return {
    /** Makes an empty database; answers its connection string. */
    create,
    folder,
    version: async () => (await ask('show server_version'))[0]?.['server_version'] ?? 'unknown',
    get pid() {
      return server.pid
    },
    stop: async () => {
      await server.stop()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
export type BenchDatabase = Awaited<ReturnType<typeof startDatabase>>

/** Gives an empty database the tables of the program. */
export const migrateDatabase = async (connectionString: string) => {
  const pool = new pg.Pool({ connectionString, max: 1 })
  await migrate(new Kysely({ dialect: new PostgresDialect({ pool }) }))
  await pool.end()
}
