import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kysely, PostgresDialect } from 'kysely'
import type { Pool } from 'pg'
import type { Settings } from './config.ts'
import { upcast } from './domain/catalogue.ts'
import { Refusal } from './domain/errors.ts'
import type { Provider } from './domain/instance.ts'
import { mediaRules, type MediaRules } from './domain/media-rules.ts'
import { ensureFirstAccount } from './first-account.ts'
import { createAuthentication } from './http/auth.ts'
import { createEventStreams, type StreamTimes } from './http/event-streams.ts'
import { createInstanceFinder } from './http/instances.ts'
import { createRoutes } from './http/routes/index.ts'
import { createServer } from './http/server.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Bus } from './ports/bus.ts'
import type { EventStore, Position } from './ports/event-store.ts'
import type { FetchFile } from './ports/fetch-file.ts'
import type { Gateway, GatewayListener } from './ports/gateway.ts'
import type { MediaStore } from './ports/media-store.ts'
import type { Numbers } from './ports/numbers.ts'
import type { Post } from './ports/post.ts'
import type { SandboxPhone } from './ports/sandbox.ts'
import { findTenant, hasOtherAdmin } from './projections/accounts.ts'
import { createEnabledAutomations } from './projections/automations.ts'
import type { Database } from './projections/database.ts'
import { sentSince } from './projections/instance-activity.ts'
import { wantedInstances } from './projections/instances.ts'
import { countWaiting, outboxRow, waitingMessages } from './projections/outbox.ts'
import { isOf } from './projections/projection.ts'
import { createReadModels, type ReadModel } from './projections/read-models.ts'
import { shareTranslation } from './public-events/share.ts'
import { createMediaExpiry } from './reactions/expire-media.ts'
import { follow } from './reactions/follow.ts'
import { learnContacts } from './reactions/learn-contacts.ts'
import { relay } from './reactions/relay.ts'
import { removeMedia } from './reactions/remove-media.ts'
import { hasEarlierIncoming } from './projections/messages.ts'
import { tagsAmong } from './projections/tags.ts'
import { createAskIntegration } from './reactions/ask-integration.ts'
import { createLaneRunner } from './reactions/lanes.ts'
import { createAutomationWork } from './reactions/run-automations.ts'
import { createInstanceRunner } from './reactions/run-instances.ts'
import { createReactionRunner } from './reactions/runner.ts'
import { createSender } from './reactions/send-messages.ts'
import { createDeliverer } from './webhooks/deliver.ts'
import { createDeliveries } from './webhooks/deliveries.ts'
import { createFanOut } from './webhooks/fan-out.ts'
import { webhookQueue } from './webhooks/queue.ts'
import { createAccounts } from './write/accounts.ts'
import { createContacts } from './write/contacts.ts'
import { createStartConversation } from './write/conversations.ts'
import { createGroups } from './write/groups.ts'
import { createMedia } from './write/media.ts'
import { createOutcomes } from './write/outcomes.ts'
import { createQuota } from './write/quota.ts'
import { createReceive, listenerOf } from './write/receive.ts'
import { createSend } from './write/send.ts'
import { createTransact } from './write/transact.ts'
import { createUsers } from './write/users.ts'

/** How long a request waits for the read models to know what it wrote. */
const CATCH_UP_MS = 2000
/** How long something that must not go wrong waits for them, before it looks again. */
const MUST_CATCH_UP_MS = 30_000
/** While starting, read models are looked at this often. */
const START_LOOK_MS = 200
/** Messages that automation works on at once, and that may wait for it. */
const AUTOMATIONS_AT_ONCE = 16
const AUTOMATIONS_UNFINISHED_MAX = 5000
const PURGE_EVERY_MS = 60_000
const PURGE_MAX = 5000
/** Added to the two posts that a lane may be busy with, before its lease runs out. */
const LEASE_MARGIN_SECONDS = 5

export type Parts = {
  readonly settings: Settings & { readonly version: string; readonly validateResponses?: boolean }
  readonly operatorToken?: string
  /** For a deployment without accounts; what is left out is made up. */
  readonly firstAccount: { readonly email: string | undefined; readonly password: string | undefined }
  /** For queries. */
  readonly pool: Pool
  /** For what is made from the log, and made again after a crash of the database. */
  readonly workPool: Pool
  readonly store: EventStore
  readonly bus: Bus
  readonly numbers: Numbers & { align(): Promise<void> }
  readonly gateways: { readonly [P in Provider]: Gateway }
  readonly sandbox?: SandboxPhone
  /** For webhooks. */
  readonly post: Post
  readonly fetchFile: FetchFile
  readonly mediaStore: MediaStore
  /** Folder for files that are coming in. */
  readonly spoolFolder: string
  /** Other limits and formats than those of WhatsApp, for tests. */
  readonly mediaRules?: MediaRules
  /** For integrations: another one, so that neither waits for a connection of the other. */
  readonly integrationPost: Post
  readonly refusedUrl: (url: string) => string | undefined
  /** Aborts when the server stops: answers that have no end of their own end then. */
  readonly stopping: AbortSignal
  /** For tests, which do not want to wait for long. */
  readonly streamTimes?: StreamTimes
  /** Nothing else works on this database: what an earlier process left under a lease is free. */
  readonly alone: boolean
  readonly log: Log
  readonly metrics: Metrics
}

/** The whole program, made of the parts it is given: main.ts gives the real ones, tests may give others. */
export const createApp = (parts: Parts) => {
  const { settings, pool, workPool, store, bus, numbers, log, metrics } = parts
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
  const reporter = (part: string) => (error: unknown) =>
    log.error({ err: error, part }, `${part} failed; trying again`)

  // Writing
  const { transact, load, recall } = createTransact(store, (category, events) =>
    metrics.eventsAppended(category, events),
  )
  const automations = createEnabledAutomations(db)
  const hasAutomation = async (instanceId: string) => (await automations.enabledOf(instanceId)).length > 0
  const startConversation = createStartConversation({ transact, load, recall, numbers, hasAutomation })
  const accounts = createAccounts(transact, numbers)
  const users = createUsers({
    transact,
    hasOtherAdmin: async (tenantId, userId) => {
      await mustKnowAll('accounts')
      return hasOtherAdmin(db, tenantId, userId)
    },
  })
  const contacts = createContacts({ transact, load, numbers })
  const receive = createReceive({ transact, numbers, startConversation })
  const outcomes = createOutcomes(store, reporter('outcomes'))
  const quota = createQuota({
    byDefault: settings.dailyMessageLimit,
    timeZoneOf: async (tenantId) => (await findTenant(db, tenantId))?.time_zone ?? 'UTC',
    sentSince: async (instanceId, since) => {
      await mustKnowAll('instanceActivity')
      return sentSince(db, instanceId, since)
    },
    waiting: async (instanceId) => {
      await mustKnowAll('outbox')
      return (await countWaiting(db, [instanceId]))(instanceId)
    },
  })
  const timeoutMs = settings.sendTimeoutSeconds * 1000
  const send = createSend({
    transact,
    load,
    recall,
    numbers,
    startConversation,
    outcomes,
    quota,
    timeoutMs,
    hasAutomation,
  })

  const { mediaStore, spoolFolder, fetchFile } = parts
  const rules = parts.mediaRules ?? mediaRules
  const media = createMedia({ transact, load, store: mediaStore, fetchFile, spoolFolder, rules })

  // Reading
  const instances = createInstanceFinder(db)
  const authentication = createAuthentication(db, instances.find)
  const onChanged = (name: ReadModel) => {
    if (name === 'instances') instances.forget()
    if (name === 'automations') automations.forget()
    if (['accounts', 'instances', 'tenants', 'tokens'].includes(name)) authentication.forget()
  }
  const readModels = createReadModels({ pool: workPool, store, onChanged, onError: reporter('read model') })
  const mustReach = async (position: Position, signal: AbortSignal, ...names: ReadModel[]) => {
    // In short waits, so that a stop is not held up by a read model that has stopped before.
    while (!(await readModels.reached(position, CATCH_UP_MS, ...names))) {
      signal.throwIfAborted()
      await sleep(CATCH_UP_MS, undefined, { signal })
    }
  }

  /** For decisions that a read model must not be behind for. */
  const mustKnowAll = async (name: ReadModel) => {
    if (await readModels.reached(await store.head(), CATCH_UP_MS, name)) return
    throw new Refusal(
      'UNAVAILABLE',
      'What this depends on is still being counted. Try again in a few seconds.',
    )
  }

  // Telling the outside: log, relay, bus, fan-out, delivery
  const leaseSeconds = 2 * settings.webhookTimeoutSeconds + LEASE_MARGIN_SECONDS
  const queue = webhookQueue(workPool, randomUUID(), leaseSeconds)
  const deliverer = createDeliverer({
    queue,
    post: parts.post,
    settings: {
      retrySeconds: settings.webhookRetrySeconds,
      laneSeconds: settings.webhookTimeoutSeconds,
      concurrency: settings.webhookConcurrency,
      endpointConcurrency: settings.webhookEndpointConcurrency,
    },
    onAttempt: (delivery, { number, status, duration_ms, error }, outcome) => {
      metrics.webhookAttempt(outcome, duration_ms / 1000)
      const line = {
        delivery: delivery.id,
        event: delivery.event,
        attempt: number,
        status,
        duration_ms,
        error,
        outcome,
      }
      log[outcome === 'delivered' ? 'debug' : 'warn'](line, 'webhook attempt')
    },
    onError: reporter('webhook delivery'),
  })
  const deliveries = createDeliveries(pool, deliverer.wake)
  const { lease, take: onTaken, wake: onAdded } = deliverer
  bus.subscribe('webhooks', createFanOut({ pool: workPool, lease, onTaken, onAdded }))
  const relayRunner = createReactionRunner({
    pool: workPool,
    store,
    reaction: relay({
      store,
      bus,
      ready: (position, signal) => mustReach(position, signal, 'webhookEndpoints'),
    }),
    onError: reporter('relay'),
  })

  const contactLearner = createReactionRunner({
    pool: workPool,
    store,
    reaction: learnContacts(contacts),
    onError: reporter('learning contacts'),
  })
  // Files: away with what was deleted, expired, or belonged to a conversation that is gone
  const mediaRunner = createReactionRunner({
    pool: workPool,
    store,
    reaction: removeMedia({
      db,
      transact,
      mediaStore,
      ready: (position, signal) => mustReach(position, signal, 'media'),
    }),
    onError: reporter('media removal'),
  })
  const expireMedia = createMediaExpiry({ db, transact })
  // What answers by itself
  const askIntegration = createAskIntegration({ post: parts.integrationPost, refusedUrl: parts.refusedUrl })
  const automationRunner = createLaneRunner({
    pool: workPool,
    store,
    work: createAutomationWork({
      transact,
      load,
      send,
      ask: askIntegration,
      enabledOf: async (instanceId, upTo, signal) => {
        await mustReach(upTo, signal, 'automations')
        return automations.enabledOf(instanceId)
      },
      isFirst: async ({ data, position }, signal) => {
        await mustReach(position, signal, 'messages')
        return !(await hasEarlierIncoming(db, data.conversationId, data.number))
      },
      knownTags: async (tenantId, ids) => (await tagsAmong(db, tenantId, ids)).map(({ id }) => id),
    }),
    atOnce: AUTOMATIONS_AT_ONCE,
    unfinishedMax: AUTOMATIONS_UNFINISHED_MAX,
    onError: reporter('automations'),
  })

  const reactions = [relayRunner, contactLearner, mediaRunner, automationRunner]

  // WhatsApp: sessions as wanted, messages in, messages out
  const instanceRunner = createInstanceRunner({
    gateways: parts.gateways,
    load,
    listenerOf: (instance): GatewayListener => {
      const listener = listenerOf(receive, instance, randomUUID)
      return {
        ...listener,
        connection: async (report) => {
          await listener.connection(report)
          if (report.status === 'connected') void sender.drain(instance.id)
        },
      }
    },
    onError: reporter('gateway session'),
  })
  const sender = createSender({
    transact,
    load,
    gatewayOf: instanceRunner.gatewayOf,
    waiting: async (instanceId, upTo, limit) => {
      if (!(await readModels.reached(upTo, MUST_CATCH_UP_MS, 'outbox')))
        throw new Error('The outbox is behind')
      return waitingMessages(db, instanceId, limit)
    },
    onOutcome: (outcome) => metrics.messageSent(outcome),
    onError: reporter('sending'),
  })
  const runGateways = (signal: AbortSignal) =>
    follow(
      {
        store,
        begin: async (head) => {
          await mustReach(head, signal, 'instances', 'outbox', 'automations')
          sender.begin(head)
          const wanted = await wantedInstances(db)
          await Promise.all(
            wanted.map(({ id, tenant_id }) => instanceRunner.follow({ id, tenantId: tenant_id })),
          )
        },
        each: (event) => {
          if (isOf(event, 'MessageQueued')) sender.queued(outboxRow(upcast(event)), event.position)
          else instanceRunner.each(event)
        },
        onError: reporter('gateways'),
      },
      signal,
    )

  // HTTP
  let isReady = false
  const freshen = async (...names: ReadModel[]) => {
    await readModels.reached(await store.head(), CATCH_UP_MS, ...names)
  }
  const openEventStream = createEventStreams({
    store,
    translate: shareTranslation(store),
    stopping: parts.stopping,
    onError: reporter('event stream'),
    ...parts.streamTimes,
  })
  const services = {
    db,
    transact,
    load,
    numbers,
    accounts,
    users,
    contacts,
    send,
    receive,
    groups: createGroups({ transact, gatewayOf: instanceRunner.gatewayOf }),
    media,
    mediaStore,
    deliveries,
    openEventStream,
    isStillAllowed: authentication.isStillAllowed,
    askIntegration,
    readStream: store.readStream,
    sandbox: parts.sandbox,
    gatewayOf: instanceRunner.gatewayOf,
    hasAutomation,
    freshen,
    caughtUp: async (position: Position, ...names: ReadModel[]) => {
      await readModels.reached(position, CATCH_UP_MS, ...names)
    },
    refusedUrl: parts.refusedUrl,
    settings,
  }
  const http = createServer({
    routes: createRoutes(services, instances),
    authenticate: authentication.authenticate,
    freshen: (names) => freshen(...names),
    infrastructure: {
      ready: async () => {
        if (isReady) await pool.query('select 1')
        return { ready: isReady, body: standing() }
      },
      metrics: async () => {
        await measure()
        return metrics.exposition()
      },
    },
    settings,
    ...(parts.operatorToken !== undefined && { operatorToken: parts.operatorToken }),
    log,
    metrics,
  })

  /** How things stand, for people and probes. A stopped projection is shown, and holds up nothing else. */
  const standing = () => {
    const projections = readModels
      .status()
      .map(({ position, ...rest }) => ({ ...rest, position: String(position) }))
    const acting = reactions
      .map((reaction) => reaction.status())
      .map(({ position, ...rest }) => ({ ...rest, position: String(position) }))
    const stopped =
      projections.some(({ state }) => state === 'stopped') || acting.some(({ error }) => error !== undefined)
    const status = !isReady ? 'starting' : stopped ? 'degraded' : 'ok'
    return { status, projections, reactions: acting }
  }

  const measure = async () => {
    for (const { name, state, position } of readModels.status()) {
      metrics.projectionState(name, state)
      metrics.projectionPosition(name, position)
    }
    for (const { name, position } of reactions.map((reaction) => reaction.status()))
      metrics.projectionPosition(name, position)
    metrics.projectionPosition('log', await store.head())
    metrics.pendingDeliveries(await deliveries.pending())
  }

  const purge = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      await queue.purge(settings.deliveryRetentionDays, PURGE_MAX).catch(reporter('purge'))
      await expireMedia(new Date().toISOString()).catch(reporter('media expiry'))
      await sleep(PURGE_EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }

  const becomeReady = async (signal: AbortSignal) => {
    const head = await store.head()
    // One that has stopped holds up nothing else, so the start does not wait for it.
    while (readModels.status().some(({ state, position }) => state !== 'stopped' && position < head)) {
      signal.throwIfAborted()
      await readModels.reached(head, START_LOOK_MS, ...readModels.names)
    }
    await numbers.align()
    const knowsAccounts = await readModels.reached(head, START_LOOK_MS, 'tenants', 'accounts')
    const login = knowsAccounts ? await ensureFirstAccount(db, accounts, parts.firstAccount) : undefined
    if (login) await mustReach(login.position, signal, 'tenants', 'accounts')
    isReady = true
    return login
  }

  /**
   * Starts everything that works by itself. `ready` resolves once requests can be served, with the
   * first account if it was made just now; `stopped` after the signal.
   */
  const start = (signal: AbortSignal) => {
    // Everything that works by itself listens to this one signal.
    setMaxListeners(0, signal)
    const prepared = Promise.all([readModels.prepare(), parts.alone && queue.releaseAll()])
    const stopped = prepared.then(() =>
      Promise.all([
        readModels.run(signal),
        outcomes.run(signal),
        ...reactions.map((reaction) => reaction.run(signal)),
        deliverer.run(signal),
        runGateways(signal),
        purge(signal),
      ]),
    )
    return { ready: prepared.then(() => becomeReady(signal)), stopped }
  }

  return { http, start, db, store, accounts, readModels }
}
