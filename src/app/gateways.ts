import { randomUUID } from 'node:crypto'
import type { Kysely } from 'kysely'
import { upcast } from '../domain/catalogue.ts'
import { idOfStream } from '../domain/decider.ts'
import type { GatewayListener } from '../ports/gateway.ts'
import type { Database } from '../projections/database.ts'
import { wantedInstances } from '../projections/instances.ts'
import { incomingBetween } from '../projections/message-lists.ts'
import { outboxRow, waitingMessages } from '../projections/outbox.ts'
import { isOf } from '../projections/projection.ts'
import { createPictureAsker } from '../reactions/ask-pictures.ts'
import { follow } from '../reactions/follow.ts'
import { createReadReceipts } from '../reactions/read-receipts.ts'
import { createInstanceRunner } from '../reactions/run-instances.ts'
import { createSender } from '../reactions/send-messages.ts'
import { createClaim } from '../write/owners.ts'
import { listenerOf } from '../write/receive.ts'
import type { Parts, Reporter } from './parts.ts'
import type { Waiting } from './waiting.ts'
import type { Writing } from './writing.ts'

type Given = {
  readonly parts: Parts
  readonly db: Kysely<Database>
  readonly writing: Writing
  readonly waiting: Waiting
  readonly reporter: Reporter
}

/** WhatsApp: the sessions of this node, messages in, messages out. */
export const composeGateways = ({ parts, db, writing, waiting, reporter }: Given) => {
  const { store, gateways, leases, node, metrics } = parts
  const { transact, load, receive } = writing
  const { mustReach } = waiting
  const instanceRunner = createInstanceRunner({
    gateways,
    leases,
    load,
    claim: createClaim({ transact, load, leases, node }),
    listenerOf: (session): GatewayListener => {
      const listener = listenerOf(receive, session, randomUUID)
      return {
        ...listener,
        contact: async (news) => {
          await listener.contact(news)
          if (!news.pictureChanged) return
          const { id: instanceId, tenantId } = session
          const { id, chat, state } = await writing.findConversation(instanceId, news.jid)
          if (state.exists) pictures.changed({ instanceId, tenantId, conversationId: id, chat })
        },
        connection: async (report) => {
          await listener.connection(report)
          if (report.status !== 'connected') return
          void sender.drain(session.id)
          void reads.show(session.id)
          pictures.connected(session.id)
        },
      }
    },
    onEnded: (instanceId) => {
      sender.forget(instanceId)
      reads.forget(instanceId)
      pictures.forget(instanceId)
    },
  })
  const reads = createReadReceipts({
    gatewayOf: instanceRunner.gatewayOf,
    messagesIn: async ({ conversationId, position, ...span }) => {
      await Promise.all([waiting.mustKnow(position, 'messages'), waiting.mustKnow(position, 'conversations')])
      return incomingBetween(db, conversationId, span)
    },
    onError: reporter('read receipts'),
  })
  const pictures = createPictureAsker({
    gatewayOf: instanceRunner.gatewayOf,
    take: writing.takePicture,
    onError: reporter('pictures'),
  })
  const sender = createSender({
    transact,
    load,
    gatewayOf: instanceRunner.gatewayOf,
    isOwner: instanceRunner.isOwner,
    head: store.head,
    waiting: async (instanceId, upTo, limit) => {
      await waiting.mustKnow(upTo, 'outbox')
      return waitingMessages(db, instanceId, limit)
    },
    onOutcome: (outcome) => metrics.messageSent(outcome),
    onError: reporter('sending'),
  })
  const run = async (signal: AbortSignal) => {
    await follow(
      {
        store,
        begin: async (head) => {
          await mustReach(head, signal, 'instances', 'outbox', 'automations')
          sender.begin()
          const wanted = await wantedInstances(db)
          instanceRunner.begin(
            wanted.map(({ id, tenant_id }) => ({ id, tenantId: tenant_id })),
            signal,
          )
          await instanceRunner.forget((await parts.keptSessions?.()) ?? [], signal)
        },
        each: (event) => {
          if (isOf(event, 'MessageQueued')) sender.queued(outboxRow(upcast(event)), event.position)
          else if (isOf(event, 'ConversationRead')) reads.read(upcast(event))
          else if (isOf(event, 'ConversationMerged'))
            sender.unite(idOfStream(event.stream), upcast(event).data.into)
          else if (isOf(event, 'MessageReceived') && !event.erased) {
            const { instanceId, conversationId, chat } = upcast(event).data
            const tenantId = event.meta.tenant
            pictures.wrote({ instanceId, tenantId, conversationId, chat, cause: event })
          } else instanceRunner.each(event, signal)
        },
        onError: reporter('gateways'),
      },
      signal,
    )
    await instanceRunner.ended()
  }
  return { gatewayOf: instanceRunner.gatewayOf, run }
}
