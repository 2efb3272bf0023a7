import type { Kysely } from 'kysely'
import { createChainKeeper } from '../chain/keep.ts'
import type { AskIntegration } from '../domain/integration.ts'
import type { EnabledAutomations } from '../projections/automations.ts'
import type { Database } from '../projections/database.ts'
import { hasEarlierIncoming } from '../projections/message-lists.ts'
import { tagsAmong } from '../projections/tags.ts'
import { createLaneRunner } from '../reactions/lanes.ts'
import { eraseDeleted } from '../reactions/erase.ts'
import { learnContacts } from '../reactions/learn-contacts.ts'
import { relay } from '../reactions/relay.ts'
import { removeMedia } from '../reactions/remove-media.ts'
import { createAutomationWork } from '../reactions/run-automations.ts'
import { createReactionRunner, type Reaction } from '../reactions/runner.ts'
import type { Parts, Reporter } from './parts.ts'
import type { Waiting } from './waiting.ts'
import type { Writing } from './writing.ts'

/** Messages that automation works on at once, and that may wait for it. */
const AUTOMATIONS_AT_ONCE = 16
const AUTOMATIONS_UNFINISHED_MAX = 5000

type Given = {
  readonly parts: Parts
  readonly db: Kysely<Database>
  readonly writing: Writing
  readonly waiting: Waiting
  readonly automations: EnabledAutomations
  readonly askIntegration: AskIntegration
  readonly reporter: Reporter
}

/** What acts by itself on what is in the log, each from a checkpoint of its own. */
export const composeReactions = (given: Given) => {
  const { parts, db, writing, waiting, automations, askIntegration, reporter } = given
  const { workPool: pool, store, bus, mediaStore } = parts
  const { transact, load, send, followConversation } = writing
  const { mustReach } = waiting
  const runnerOf = (reaction: Reaction) =>
    createReactionRunner({ pool, store, reaction, onError: reporter(reaction.name) })

  return [
    runnerOf(
      relay({
        store,
        bus,
        erasures: parts.erasures,
        ready: (position, signal) => mustReach(position, signal, 'webhookEndpoints'),
      }),
    ),
    runnerOf(learnContacts(writing.contacts)),
    runnerOf(
      removeMedia({
        db,
        transact,
        load,
        mediaStore,
        keys: parts.keys,
        ready: (position, signal) => mustReach(position, signal, 'media'),
      }),
    ),
    runnerOf(eraseDeleted(writing.erasing)),
    createLaneRunner({
      pool,
      store,
      work: createAutomationWork({
        transact,
        load,
        send,
        attach: writing.media.attach,
        ask: askIntegration,
        enabledOf: async (instanceId, upTo, signal) => {
          await mustReach(upTo, signal, 'automations')
          return automations.enabledOf(instanceId)
        },
        isFirst: async ({ data, position }, signal) => {
          await mustReach(position, signal, 'messages')
          const { id } = await followConversation(data.conversationId)
          return !(await hasEarlierIncoming(db, id, data.number))
        },
        knownTags: async (tenantId, ids) => (await tagsAmong(db, tenantId, ids)).map(({ id }) => id),
      }),
      atOnce: AUTOMATIONS_AT_ONCE,
      unfinishedMax: AUTOMATIONS_UNFINISHED_MAX,
      onError: reporter('automations'),
    }),
    createChainKeeper({
      pool,
      stored: parts.stored,
      onDigest: ({ events, digest }) =>
        parts.log.info({ part: 'chain', events, digest: digest.toString('hex') }, 'digest of the log'),
      onError: reporter('chain'),
    }),
  ]
}
