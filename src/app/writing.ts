import type { Kysely } from 'kysely'
import { mediaRules } from '../domain/media-rules.ts'
import { findTenant, hasOtherAdmin } from '../projections/accounts.ts'
import type { Database } from '../projections/database.ts'
import { sentSince } from '../projections/instance-activity.ts'
import { countWaiting } from '../projections/outbox.ts'
import { tagNamed } from '../projections/tags.ts'
import { createAccounts } from '../write/accounts.ts'
import { createAddresses } from '../write/addresses.ts'
import { createContacts } from '../write/contacts.ts'
import { createDelete } from '../write/delete.ts'
import { createErase } from '../write/erase.ts'
import { createConversations } from '../write/conversations.ts'
import { createLinkAddresses } from '../write/link-addresses.ts'
import { createMedia } from '../write/media.ts'
import { createOutcomes } from '../write/outcomes.ts'
import { createPictures } from '../write/pictures.ts'
import { createQuota } from '../write/quota.ts'
import { createReceive } from '../write/receive.ts'
import { createSend } from '../write/send.ts'
import { createTags } from '../write/tags.ts'
import { createTransact } from '../write/transact.ts'
import { createUsers } from '../write/users.ts'
import { scrubWebhooks } from '../webhooks/scrub.ts'
import type { Parts, Reporter } from './parts.ts'
import type { Waiting } from './waiting.ts'

type Given = {
  readonly parts: Parts
  readonly db: Kysely<Database>
  readonly waiting: Waiting
  /** Whether an automation of the instance is enabled. */
  readonly hasAutomation: (instanceId: string) => Promise<boolean>
  readonly reporter: Reporter
}

/** Everything that writes: each goes through `transact`, the one door. */
export const composeWriting = ({ parts, db, waiting, hasAutomation, reporter }: Given) => {
  const {
    settings,
    store,
    turns: inTurn,
    numbers,
    metrics,
    mediaStore,
    spoolFolder,
    fetchFile,
    alone,
  } = parts
  const { mustKnowAll } = waiting
  const { transact, load, recall } = createTransact(
    store,
    (category, events) => metrics.eventsAppended(category, events),
    parts.keys.changes,
  )
  const addresses = createAddresses({ load })
  const conversations = createConversations({
    transact,
    load,
    recall,
    numbers,
    hasAutomation,
    addresses,
    alone,
  })
  const { startConversation, follow: followConversation } = conversations
  const outcomes = createOutcomes(store, reporter('outcomes'))
  const quota = createQuota({
    inTurn,
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
  const erasing = createErase({
    ...{ transact, load, store, stored: parts.stored, keys: parts.keys, erasures: parts.erasures },
    scrubs: [scrubWebhooks(parts.pool), ...parts.scrubs],
  })
  const contacts = createContacts({ transact, load, numbers, addresses })
  const media = createMedia({
    transact,
    load,
    store: mediaStore,
    fetchFile,
    spoolFolder,
    rules: parts.mediaRules ?? mediaRules,
  })
  return {
    transact,
    load,
    outcomes,
    accounts: createAccounts(transact, numbers),
    users: createUsers({
      transact,
      inTurn,
      hasOtherAdmin: async (tenantId, userId) => {
        await mustKnowAll('accounts')
        return hasOtherAdmin(db, tenantId, userId)
      },
    }),
    tags: createTags({
      transact,
      inTurn,
      tagNamed: async (tenantId, name) => {
        await mustKnowAll('tags')
        return tagNamed(db, tenantId, name)
      },
    }),
    contacts,
    erasing,
    delete: createDelete({ transact, keys: parts.keys, ownersOf: erasing.ownersOf }),
    media,
    takePicture: createPictures({ transact, load, fetchFile, media }),
    receive: createReceive({
      transact,
      load,
      numbers,
      startConversation,
      followConversation,
      addresses,
      linkAddresses: createLinkAddresses({ transact, inTurn, addresses, conversations, contacts }),
      contacts,
      media,
      baseUrl: settings.publicUrl ?? parts.node.url,
    }),
    followConversation,
    findConversation: conversations.find,
    send: createSend({
      transact,
      load,
      recall,
      numbers,
      startConversation,
      findConversation: conversations.find,
      outcomes,
      quota,
      hasAutomation,
      timeoutMs: settings.sendTimeoutSeconds * 1000,
    }),
  }
}
export type Writing = ReturnType<typeof composeWriting>
