import { sql, type Kysely } from 'kysely'
import { signalKinds, type Content } from '../domain/content.ts'
import { idOfStream } from '../domain/decider.ts'
import type { Database } from './database.ts'
import { projection, put, remove, type RecordedOf } from './projection.ts'

export type OutboxRow = {
  id: string
  number: number
  tenant_id: string
  instance_id: string
  conversation_id: string
  whatsapp_id: string
  chat: string
  content: Content
  correlation: string
  /** Id of the event that queued it. */
  causation: string
}

/** What a sender has to do about a queued message. */
export const outboxRow = ({ id, stream, data, meta }: RecordedOf<'MessageQueued'>): OutboxRow => ({
  id: idOfStream(stream),
  number: data.number,
  tenant_id: meta.tenant,
  instance_id: data.instanceId,
  conversation_id: data.conversationId,
  whatsapp_id: data.whatsappId,
  chat: data.chat,
  content: data.content,
  correlation: meta.correlation,
  causation: id,
})

const done = ({ stream }: { readonly stream: string }) => [remove<OutboxRow>(idOfStream(stream))]

/** Messages still to be handed to WhatsApp: the to-do list of the senders. */
export const outbox = projection<OutboxRow>({
  name: 'outbox',
  version: 3,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    conversation_id: 'uuid not null',
    whatsapp_id: 'text not null',
    chat: 'text not null',
    content: 'jsonb not null',
    correlation: 'text not null',
    causation: 'uuid not null',
  },
  // Most messages have gone out by then and never become a row; whoever asks waits, and ends the rest.
  restMs: 50,
  indexes: ['(instance_id, number)', '(conversation_id)'],
  on: {
    MessageQueued: (event) => [put<OutboxRow>(idOfStream(event.stream), outboxRow(event))],
    MessageSent: done,
    MessageFailed: done,
  },
  sweeps: {
    ConversationDeleted: ({ stream }) => ({ column: 'conversation_id', value: idOfStream(stream) }),
    ConversationMerged: ({ stream, data }) => ({
      column: 'conversation_id',
      value: idOfStream(stream),
      to: data.into,
    }),
  },
})

/** The oldest messages waiting at an instance, in the order in which they were queued. */
export const waitingMessages = (db: Kysely<Database>, instanceId: string, limit: number) =>
  db
    .selectFrom('outbox')
    .selectAll()
    .where('instance_id', '=', instanceId)
    .orderBy('number')
    .limit(limit)
    .execute()

/** How many messages wait at each of some instances; signals such as reactions are not counted. */
export const countWaiting = async (db: Kysely<Database>, instanceIds: readonly string[]) => {
  const rows =
    instanceIds.length === 0
      ? []
      : await db
          .selectFrom('outbox')
          .select(({ fn }) => ['instance_id', fn.countAll<number>().as('waiting')])
          .where('instance_id', 'in', [...instanceIds])
          .where(sql<string>`content->>'kind'`, 'not in', [...signalKinds])
          .groupBy('instance_id')
          .execute()
  const byId = new Map(rows.map(({ instance_id, waiting }) => [instance_id, waiting]))
  return (instanceId: string): number => byId.get(instanceId) ?? 0
}
