import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kysely, PostgresDialect } from 'kysely'
import { createAsOf } from './as-of/as-of.ts'
import { composeGateways } from './app/gateways.ts'
import { rememberHolding } from './app/holding.ts'
import type { Parts, Reporter } from './app/parts.ts'
import { composeReactions } from './app/reactions.ts'
import { createStanding } from './app/standing.ts'
import { createStart } from './app/start.ts'
import { createWaiting } from './app/waiting.ts'
import { composeWebhooks } from './app/webhooks.ts'
import { composeWriting } from './app/writing.ts'
import { providers } from './domain/instance.ts'
import { createAnswerAsOf } from './http/as-of.ts'
import { createAuthentication } from './http/auth.ts'
import { createEventStreams } from './http/event-streams.ts'
import { createForward } from './http/forward.ts'
import { createInstanceFinder } from './http/instances.ts'
import { createRoutes } from './http/routes/index.ts'
import { createServer } from './http/server.ts'
import { createEnabledAutomations, type EnabledAutomations } from './projections/automations.ts'
import type { Database } from './projections/database.ts'
import { createReadModels, type ReadModel } from './projections/read-models.ts'
import { shareTranslation } from './public-events/share.ts'
import { createAskIntegration } from './reactions/ask-integration.ts'
import { createMediaExpiry } from './reactions/expire-media.ts'
import type { Role } from './roles.ts'
import { createGroups } from './write/groups.ts'
import { createOwners } from './write/owners.ts'

const PURGE_EVERY_MS = 60_000
const PURGE_MAX = 5000

/** The whole program, made of the parts it is given; each file of `app/` puts one side of it together. */
export const createApp = (given: Parts) => {
  const { leases, holding } = rememberHolding(given.leases)
  const parts: Parts = { ...given, leases }
  const { settings, pool, workPool, store, node, numbers, refusedUrl, log, metrics } = parts
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
  const reporter: Reporter = (part) => (error) =>
    log.error({ err: error, part }, `${part} failed; trying again`)

  // Reading: the log, read models, and what is remembered of them
  const instances = createInstanceFinder(db)
  const authentication = createAuthentication(db, instances.find)
  const automations = createEnabledAutomations(db)
  const hasAutomation = hasAutomationIn(automations)
  const onChanged = (name: ReadModel) => {
    if (name === 'instances') instances.forget()
    if (name === 'automations') automations.forget()
    if (['accounts', 'instances', 'tenants', 'tokens'].includes(name)) authentication.forget()
  }
  const readModels = createReadModels({ pool: workPool, store, onChanged, onError: reporter('read model') })
  const waiting = createWaiting(store, readModels, parts.catchUpMs)

  // Writing, and what follows from what was written
  const writing = composeWriting({ parts, db, waiting, hasAutomation, reporter })
  const { queue, deliverer, deliveries } = composeWebhooks(parts, waiting, reporter)
  const askIntegration = createAskIntegration({ post: parts.integrationPost, refusedUrl })
  const reactions = composeReactions({ parts, db, writing, waiting, automations, askIntegration, reporter })
  const gateways = composeGateways({ parts, db, writing, waiting, reporter })
  const expireMedia = createMediaExpiry({ db, transact: writing.transact })

  // HTTP
  let isReady = false
  const { standing, measure } = createStanding({
    store,
    bus: parts.bus,
    readModels,
    reactions,
    deliveries,
    metrics,
    node: parts.node,
    roles: settings.roles,
    holding,
    isReady: () => isReady,
  })
  const services = {
    ...writing,
    db,
    numbers,
    groups: createGroups({ transact: writing.transact, gatewayOf: gateways.gatewayOf }),
    mediaStore: parts.mediaStore,
    deliveries,
    openEventStream: createEventStreams({
      store,
      translate: shareTranslation(store, parts.erasures),
      stopping: parts.stopping,
      onError: reporter('event stream'),
      ...parts.streamTimes,
    }),
    isStillAllowed: authentication.isStillAllowed,
    askIntegration,
    readStream: store.readStream,
    sandbox: parts.sandbox,
    providers: providers.filter((provider) => parts.gateways[provider]),
    gatewayOf: gateways.gatewayOf,
    owners: createOwners({ gatewayOf: gateways.gatewayOf, leases, node, load: writing.load }),
    hasAutomation,
    freshen: waiting.freshen,
    caughtUp: waiting.caughtUp,
    refusedUrl,
    settings,
  }
  const asOf = createAsOf({ pool, store, settings, untilKnown: () => waiting.mustKnowAll('auditEvents') })
  const answerAsOf = createAnswerAsOf(asOf, (past) =>
    createRoutes(
      { ...services, db: past, hasAutomation: hasAutomationIn(createEnabledAutomations(past)) },
      createInstanceFinder(past),
    ),
  )
  const forwarding = createForward(node, log)
  const routes = createRoutes(services, instances)
  const http = createServer({
    routes,
    authenticate: authentication.authenticate,
    counters: parts.counters,
    forward: forwarding.forward,
    isReady: () => isReady,
    freshen: (names) => waiting.freshen(...names),
    answerAsOf,
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

  const purge = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      await queue.purge(settings.deliveryRetentionDays, PURGE_MAX).catch(reporter('purge'))
      await expireMedia(new Date().toISOString()).catch(reporter('media expiry'))
      await parts.purgeSessions?.().catch(reporter('purge'))
      await sleep(PURGE_EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }

  const untilReady = createStart({ parts, db, readModels, waiting, accounts: writing.accounts })
  const becomeReady = async (signal: AbortSignal) => {
    const login = await untilReady(signal)
    isReady = true
    return login
  }

  /** What this node does by itself, as its roles say. Where only one may do it, it waits for the lease. */
  const work = (signal: AbortSignal): Promise<unknown>[] => {
    const isA = (role: Role) => settings.roles.includes(role)
    const alone = (name: string, run: (signal: AbortSignal) => Promise<unknown>) =>
      leases.hold(name, (lease) => run(lease.signal), signal)
    return [
      writing.outcomes.run(signal),
      ...(parts.alone ? [] : [readModels.share(signal)]),
      ...(isA('projector') ? [alone('projector', readModels.run)] : []),
      ...(isA('relay') ? [...reactions.map(({ name, run }) => alone(name, run)), alone('purge', purge)] : []),
      ...(isA('webhooks') ? [parts.bus.run(signal), deliverer.run(signal)] : []),
      ...(isA('gateway') ? [gateways.run(signal)] : []),
    ]
  }

  /**
   * Starts everything that works by itself. `ready` resolves once requests can be served, with the first account if it
   * was made just now; `stopped` after the signal. It rejects if this process can go on no longer.
   */
  const start = (signal: AbortSignal) => {
    // Everything that works by itself listens to this one signal.
    setMaxListeners(0, signal)
    const prepared = Promise.all([readModels.prepare(), parts.alone && queue.releaseAll()])
    const stopped = prepared.then(() => Promise.all(work(signal))).finally(forwarding.close)
    return { ready: prepared.then(() => becomeReady(signal)), stopped }
  }

  return { http, routes, start, db, store, accounts: writing.accounts, readModels }
}

const hasAutomationIn = (automations: EnabledAutomations) => async (instanceId: string) =>
  (await automations.enabledOf(instanceId)).length > 0
