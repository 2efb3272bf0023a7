import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { createCipher } from './adapters/baileys/cipher.ts'
import { keptSessions, purgeSessions } from './adapters/baileys/kept.ts'
import { lazyGateway } from './adapters/baileys/lazy.ts'
import { inProcessBus } from './adapters/in-process/bus.ts'
import { inProcessCounters } from './adapters/in-process/counters.ts'
import { inProcessLeases } from './adapters/in-process/leases.ts'
import { inProcessTurns } from './adapters/in-process/turns.ts'
import { addressGuard } from './adapters/outbound/address-guard.ts'
import { guardedFetch } from './adapters/outbound/fetch-file.ts'
import { guardedPost } from './adapters/outbound/post.ts'
import { postgresCounters } from './adapters/postgres/counters.ts'
import { postgresLeases } from './adapters/postgres/leases.ts'
import { postgresNumbers } from './adapters/postgres/numbers.ts'
import { postgresTurns } from './adapters/postgres/turns.ts'
import { sandboxGateway } from './adapters/sandbox/gateway.ts'
import type { Config } from './config.ts'
import { TIMEOUT_MAX_SECONDS } from './domain/integration.ts'
import { followLog } from './followed-log.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Bus } from './ports/bus.ts'
import type { Node } from './ports/leases.ts'
import type { MediaStore } from './ports/media-store.ts'
import type { Settings } from './settings.ts'
import { openCopies, openStorage, type Storage } from './storage.ts'

/** To one origin; several automations may be asked there. */
const INTEGRATION_CONNECTIONS = 32

/** WhatsApp itself, where there is a key to encrypt its sessions with. Its library is loaded for the first instance. */
const openWhatsApp = (
  { settings }: Config,
  log: Log,
  { encryptionKey: key, sessionPool }: Storage,
  mediaStore: MediaStore,
  metrics?: Metrics,
) => {
  const { whatsappUrl: url, whatsappVersion: version } = settings
  if (!key) return undefined
  return lazyGateway(async () => {
    const { baileysGateway } = await import('./adapters/baileys/gateway.ts')
    return baileysGateway({
      ...{ url, pool: sessionPool, cipher: createCipher(key), mediaStore },
      ...(version !== undefined && { version }),
      ...(metrics && { watch: metrics.whatsapp }),
      log: (level, text, fields) => log[level]({ ...fields, part: 'whatsapp' }, text),
    })
  })
}

/** What carries public events: Kafka if brokers are named, else this process. */
const openBus = async (
  { settings, secrets }: Config,
  log: Log,
): Promise<{ bus: Bus; close(): Promise<void> }> => {
  const { kafkaBrokers: brokers, kafkaCaFile, kafkaSasl, kafkaUsername: username = '' } = settings
  if (brokers.length === 0) return { bus: inProcessBus(), close: () => Promise.resolve() }
  const { kafkaBus } = await import('./adapters/kafka/bus.ts')
  const bus = kafkaBus({
    brokers,
    prefix: settings.kafkaPrefix,
    partitions: settings.kafkaPartitions,
    replication: settings.kafkaReplication,
    ...(settings.kafkaTls && { tls: kafkaCaFile ? { ca: await readFile(kafkaCaFile, 'utf8') } : {} }),
    ...(kafkaSasl && {
      sasl: { mechanism: kafkaSasl, username, password: secrets.kafkaPassword ?? '' },
    }),
    log: (level, text, fields) => log[level]({ ...fields, part: 'kafka' }, text),
    onError: (error) => log.error({ err: error, part: 'kafka' }, 'kafka failed; trying again'),
  })
  return { bus, close: bus.close }
}

/** The simulated phone is for trying things out, so not where a deployment names its database, unless it asks for it. */
const offersSandbox = ({ settings, secrets }: Config) => settings.sandbox ?? secrets.databaseUrl === undefined

const EVERY_ADDRESS = ['0.0.0.0', '::']

/** This process, as the other nodes know it: new with every start. `url` is where it listens. */
const nodeOf = ({ nodeUrl, host }: Settings, url: string): Node => ({
  name: `${hostname()}-${randomUUID().slice(0, 8)}`,
  url: nodeUrl ?? (EVERY_ADDRESS.includes(host) ? `http://${hostname()}:${new URL(url).port}` : url),
})

/** The real parts of the application, as the configuration chooses them, and how to close them again. `url` is where this node listens. */
export const openParts = async (config: Config, log: Log, url: string, metrics?: Metrics) => {
  const { settings } = config
  const storage = await openStorage(config, log)
  const { pool, logPool, workPool, leasePool, turnPool, store, stored, keys, onError, alone, close } = storage
  const node = nodeOf(settings, url)
  const onLeaseError = (error: unknown) =>
    log.error({ err: error, part: 'leases' }, 'work under a lease was interrupted; trying again')
  // What the simulated phone got is told to the log after it, which makes both durable.
  const sandbox = sandboxGateway(workPool, onError)
  const offered = offersSandbox(config) && { sandbox }
  const guard = addressGuard(settings.outboundAllow)
  const outbound = guardedPost({
    guard,
    timeoutMs: settings.webhookTimeoutSeconds * 1000,
    connectionsPerOrigin: settings.webhookEndpointConcurrency,
  })
  const files = guardedFetch(guard)
  const { media, scrubs, erasures } = await openCopies(config, storage)
  const baileys = openWhatsApp(config, log, storage, media.store, metrics)
  const { bus, close: closeBus } = await openBus(config, log)
  const integrations = guardedPost({
    guard,
    timeoutMs: TIMEOUT_MAX_SECONDS * 1000,
    connectionsPerOrigin: INTEGRATION_CONNECTIONS,
  })
  return {
    parts: {
      pool,
      workPool,
      store,
      stored,
      keys,
      erasures,
      scrubs,
      bus,
      node,
      leases: alone ? inProcessLeases(node, onLeaseError) : postgresLeases(leasePool, node, onLeaseError),
      turns: alone ? inProcessTurns() : postgresTurns(turnPool, onError),
      counters: alone ? inProcessCounters() : postgresCounters(workPool, onError),
      numbers: postgresNumbers(logPool),
      gateways: { ...(baileys && { baileys }), ...offered },
      keptSessions: () => keptSessions(storage.sessionPool),
      purgeSessions: () =>
        purgeSessions(storage.sessionPool, (error) =>
          log.error({ err: error, part: 'whatsapp' }, 'messages were given up'),
        ),
      ...offered,
      post: outbound.post,
      fetchFile: files.fetchFile,
      mediaStore: media.store,
      spoolFolder: media.spoolFolder,
      integrationPost: integrations.post,
      refusedUrl: guard.checkUrl,
      alone,
    },
    /** Once the log has its first event, the database remembers which log it is. */
    remember: () => followLog(storage.deployment),
    close: async () => {
      await baileys?.stop()
      await Promise.all([outbound.close(), integrations.abandon(), files.close(), media.close(), closeBus()])
      await close()
    },
  }
}
