#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join, resolve } from 'node:path'
import { Kysely, PostgresDialect } from 'kysely'
import { inProcessBus } from './adapters/in-process/bus.ts'
import { addressGuard } from './adapters/outbound/address-guard.ts'
import { guardedPost } from './adapters/outbound/post.ts'
import { startEmbeddedPostgres } from './adapters/postgres/embedded.ts'
import { postgresEventStore } from './adapters/postgres/event-store.ts'
import { migrate } from './adapters/postgres/migrations.ts'
import { postgresNumbers } from './adapters/postgres/numbers.ts'
import { createPool } from './adapters/postgres/pool.ts'
import { sandboxGateway } from './adapters/sandbox/gateway.ts'
import { createApp } from './app.ts'
import { ConfigurationError, loadConfig, type Config } from './config.ts'
import { ensureFirstAccount, type Login } from './first-account.ts'
import { createLog, type Log } from './log.ts'
import { createMetrics } from './metrics.ts'

const POOL_SIZE = 20
const RELAXED_POOL_SIZE = 4
/** Requests under way get this long at a stop. */
const DRAIN_MS = 5000

/** The real parts, as the configuration chooses them, and how to close them again. */
const openParts = async ({ settings, secrets }: Config, log: Log) => {
  const embedded =
    secrets.databaseUrl === undefined
      ? await startEmbeddedPostgres({
          directory: resolve(settings.dataDir, 'postgres'),
          log: (line) => log.debug(line),
        })
      : undefined
  const url = secrets.databaseUrl ?? embedded?.connectionString ?? ''
  const onError = (error: unknown) =>
    log.error({ err: error, part: 'database' }, 'database connection failed')
  const pool = createPool(url, { max: POOL_SIZE, onError })
  const relaxedPool = createPool(url, { max: RELAXED_POOL_SIZE, durable: false, onError })
  await migrate(new Kysely({ dialect: new PostgresDialect({ pool }) }))

  const store = postgresEventStore(pool, onError)
  const sandbox = sandboxGateway(pool, onError)
  const guard = addressGuard(settings.outboundAllow)
  const outbound = guardedPost({
    guard,
    timeoutMs: settings.webhookTimeoutSeconds * 1000,
    connectionsPerOrigin: settings.webhookEndpointConcurrency,
  })
  return {
    pool,
    relaxedPool,
    store,
    bus: inProcessBus(),
    numbers: postgresNumbers(pool),
    gateways: { sandbox },
    ...(settings.sandbox && { sandbox }),
    post: outbound.post,
    refusedUrl: guard.checkUrl,
    alone: embedded !== undefined,
    close: async () => {
      await outbound.close()
      await store.close()
      await Promise.all([pool.end(), relaxedPool.end()])
      await embedded?.stop()
    },
  }
}

const version = async (): Promise<string> => {
  const file = await readFile(join(import.meta.dirname, '..', 'package.json'), 'utf8')
  return String((JSON.parse(file) as { version: unknown }).version)
}

/** For people at a terminal; the log beside it is for machines. */
const welcome = (url: string, login: Login | undefined) =>
  [
    '',
    `Zapini is ready at ${url}`,
    `  Try the API:  ${url}/docs`,
    `  Log in:       POST ${url}/auth/login`,
    ...(login ? [`  E-mail:       ${login.email}`] : []),
    ...(login?.password ? [`  Password:     ${login.password}   (shown this once)`] : []),
    '  Stop:         Ctrl-C',
    '',
    '',
  ].join('\n')

const listen = async (
  server: ReturnType<typeof createServer>,
  host: string,
  port: number,
): Promise<string> => {
  await new Promise<void>((done, failed) => server.once('error', failed).listen(port, host, done))
  const address = server.address()
  const shownHost = host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return `http://${shownHost}:${typeof address === 'object' && address ? address.port : port}`
}

const main = async () => {
  if (existsSync('.env')) process.loadEnvFile('.env')
  const config = loadConfig(process.env)
  const { settings, secrets } = config
  const log = createLog(settings.logLevel)
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

  const { close, ...parts } = await openParts(config, log)
  const app = createApp({
    ...parts,
    settings: { ...settings, version: await version() },
    ...(secrets.operatorToken !== undefined && { operatorToken: secrets.operatorToken }),
    log,
    metrics: createMetrics(),
  })
  const handle = app.http.callback()
  const server = createServer((request, response) => void handle(request, response))
  const running = new AbortController()
  const { ready, stopped } = app.start(running.signal)
  const url = await listen(server, settings.host, settings.port)
  await ready
  const wanted = { email: settings.adminEmail, password: secrets.adminPassword }
  const login = await ensureFirstAccount(app.db, app.accounts, wanted)
  process.stdout.write(welcome(url, login))

  if (!stop.signal.aborted) await new Promise((done) => stop.signal.addEventListener('abort', done))
  const closed = new Promise((done) => server.close(done))
  server.closeIdleConnections()
  setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref()
  await closed
  running.abort()
  await stopped
  await close()
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof ConfigurationError ? error.message : (error as Error).stack}\n`)
  process.exitCode = 1
  // What was opened before the fault may keep the process alive.
  setTimeout(() => process.exit(), 1000).unref()
})
