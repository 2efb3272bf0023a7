import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../src/adapters/postgres/embedded.ts'

/**
 * An embedded PostgreSQL with the settings that the program gives it. Its data is under ./data, not in the system's
 * temporary folder, which is often in memory: there, durable would mean nothing.
 */
export const startDatabase = async () => {
  const parent = resolve('data')
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(join(parent, 'bench-'))
  const server = await startEmbeddedPostgres({ directory: join(folder, 'postgres') })

  const create = async (purpose: string): Promise<string> => {
    const name = `bench_${purpose}_${randomBytes(3).toString('hex')}`
    const client = new pg.Client({ connectionString: server.connectionString })
    await client.connect()
    await client.query(`create database ${name}`)
    await client.end()
    return server.connectionString.replace('@/zapini?', `@/${name}?`)
  }

  return {
    /** Makes an empty database; answers its connection string. */
    create,
    folder,
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
