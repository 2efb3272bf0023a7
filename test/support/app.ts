import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inProcessBus } from '../../src/adapters/in-process/bus.ts'
import { inProcessCounters } from '../../src/adapters/in-process/counters.ts'
import { inProcessLeases } from '../../src/adapters/in-process/leases.ts'
import { inProcessTurns } from '../../src/adapters/in-process/turns.ts'
import { folderMediaStore } from '../../src/adapters/media/folder.ts'
import { addressGuard } from '../../src/adapters/outbound/address-guard.ts'
import { guardedFetch } from '../../src/adapters/outbound/fetch-file.ts'
import { guardedPost } from '../../src/adapters/outbound/post.ts'
import { postgresErasures } from '../../src/adapters/postgres/erasures.ts'
import { postgresEventStore } from '../../src/adapters/postgres/event-store.ts'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { postgresSealingKeys } from '../../src/adapters/postgres/sealing-keys.ts'
import { createLogPool, createPool, createWorkPool } from '../../src/adapters/postgres/pool.ts'
import { sandboxGateway } from '../../src/adapters/sandbox/gateway.ts'
import { scrubSandbox } from '../../src/adapters/sandbox/scrub.ts'
import { createApp } from '../../src/app.ts'
import type { Parts } from '../../src/app/parts.ts'
import { loadConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { sealedStore } from '../../src/sealed-store.ts'
import { createClient, login } from './client.ts'
import { createTestDatabase } from './database.ts'
import { eventually } from './eventually.ts'

export const ADMIN = { email: 'admin@example.com', password: 'a long password' }
/** A node of several may wait for what another one is to do, or does not. */
const PATIENCE_MS = 20_000

export const OPERATOR_TOKEN = 'an operator token for tests'

/**
 * The true application on a database of its own, in this process, behind a real socket, with an administrator logged
 * in. Settings are given as environment variables; answers are checked against their schemas. With the database that
 * another one left behind, it goes on where that one stopped.
 */
export const startApp = async (
  environment: Record<string, string> = {},
  replace: Partial<Parts> = {},
  left?: Awaited<ReturnType<typeof createTestDatabase>>,
) => {
  const database = left ?? (await createTestDatabase())
  const log = createLog('silent')
  const faults: unknown[] = []
  const onError = (error: unknown) => void faults.push(error)
  const pool = createPool(database.url, { max: 8, onError })
  const logPool = createLogPool(database.url, { max: 5, onError })
  const workPool = createWorkPool(database.url, { max: 8, onError })
  const { settings, secrets } = loadConfig({
    OPERATOR_TOKEN,
    OUTBOUND_ALLOW: '127.0.0.0/8',
    RATE_LIMIT_REQUESTS: '0',
    WEBHOOK_RETRY_SECONDS: '0.05,0.05,0.1,0.1,0.2',
    WEBHOOK_TIMEOUT_SECONDS: '2',
    ...environment,
  })
  const stored = postgresEventStore(logPool, onError)
  const { alone = true } = replace
  const keys = postgresSealingKeys({ pool: logPool, listenPool: pool, master: undefined, alone, onError })
  const sandbox = sandboxGateway(workPool, onError)
  const guard = addressGuard(settings.outboundAllow)
  const outbound = guardedPost({
    guard,
    timeoutMs: settings.webhookTimeoutSeconds * 1000,
    connectionsPerOrigin: settings.webhookEndpointConcurrency,
  })
  const stopping = new AbortController()
  const node = { name: 'test', url: 'http://127.0.0.1' }
  const files = guardedFetch(guard)
  const dataFolder = await mkdtemp(join(tmpdir(), 'zapini-media-'))
  const [mediaFolder, spoolFolder] = [join(dataFolder, 'media'), join(dataFolder, 'incoming')]
  const integrations = guardedPost({ guard, timeoutMs: 30_000, connectionsPerOrigin: 32 })
  const app = createApp({
    settings: { ...settings, version: 'test', validateResponses: true },
    ...(secrets.operatorToken !== undefined && { operatorToken: secrets.operatorToken }),
    pool,
    workPool,
    store: sealedStore(stored, keys),
    stored,
    keys,
    erasures: postgresErasures(pool),
    scrubs: [scrubSandbox(pool)],
    bus: inProcessBus(),
    node,
    leases: inProcessLeases(node, onError),
    turns: inProcessTurns(),
    counters: inProcessCounters(),
    numbers: postgresNumbers(logPool),
    gateways: { sandbox },
    sandbox,
    post: outbound.post,
    fetchFile: files.fetchFile,
    mediaStore: folderMediaStore(mediaFolder),
    spoolFolder,
    integrationPost: integrations.post,
    refusedUrl: guard.checkUrl,
    alone: true,
    ...(alone && { catchUpMs: PATIENCE_MS }),
    stopping: stopping.signal,
    firstAccount: ADMIN,
    log,
    metrics: createMetrics(),
    ...replace,
  })
  const running = new AbortController()
  const { ready, stopped } = app.start(running.signal)
  const handle = app.http.callback()
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await ready
  // A node of several may wait for another one, which makes the account.
  const servesApi = settings.roles.includes('api')
  const admin = servesApi
    ? await eventually(() => login(url, ADMIN.email, ADMIN.password))
    : createClient(url)

  /** Stops it as a restart would: its database stays. */
  const leave = async () => {
    stopping.abort()
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
    running.abort()
    await stopped
    await Promise.all([outbound.close(), integrations.abandon(), files.close()])
    await Promise.all([stored.close(), keys.close()])
    await Promise.all([pool.end(), logPool.end(), workPool.end()])
  }
  const stop = async () => {
    await leave()
    await database.drop()
    await rm(dataFolder, { recursive: true, force: true })
  }
  return { ...app, url, admin, pool, keys, database, dataFolder, faults, leave, stop }
}
