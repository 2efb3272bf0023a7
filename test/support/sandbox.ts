import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { sandboxGroupTables, sandboxTables } from '../../src/adapters/sandbox/tables.sql.ts'

/** A database with the tables of the sandbox, reached through a wire that can be cut. */
export const startSandboxDatabase = async () => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'zapini-sandbox-')))
  await chmod(directory, 0o711)
  const postgres = await startEmbeddedPostgres({
    directory: join(directory, 'pg'),
    settings: { fsync: 'off' },
  })
  const pool = createPool(postgres.connectionString, { max: 4, onError: () => undefined })
  await pool.query(sandboxTables + sandboxGroupTables)
  const address = new URL(postgres.connectionString.replace('@/', '@host/'))
  const socket = join(address.searchParams.get('host') ?? '', `.s.PGSQL.${address.searchParams.get('port')}`)
  const wire = await stretchWire(socket)
  address.hostname = '127.0.0.1'
  address.port = String(wire.port)
  address.search = '?sslmode=disable'
  const wiredPool = createPool(address.href, { max: 4, onError: () => undefined })
  return {
    pool,
    /** The same database by the wire. */
    wiredPool,
    wire,
    async stop() {
      wire.close()
      await Promise.all([pool.end(), wiredPool.end()])
      await postgres.stop()
      await rm(directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

const stretchWire = async (socket: string) => {
  const open = new Set<Socket>()
  let isCut = false
  const server = createServer((client) => {
    if (isCut) return client.destroy()
    const upstream = connect(socket)
    for (const end of [client, upstream]) {
      open.add(end)
      end.on('error', () => undefined)
      end.on('close', () => {
        open.delete(end)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    cut() {
      isCut = true
      for (const end of open) end.destroy()
    },
    mend() {
      isCut = false
    },
    close() {
      this.cut()
      server.close()
    },
  }
}
