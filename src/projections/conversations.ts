import type { Kysely } from 'kysely'
import { textOf } from '../domain/message.ts'
import { idOfStream } from '../domain/decider.ts'
import { isGroup, numberOf } from '../domain/values.ts'
import type { Database } from './database.ts'
import { projection, put, update, type RecordedOf } from './projection.ts'

export type ConversationRow = {
  id: string
  number: number
  tenant_id: string
  instance_id: string
  /** JID of the chat. */
  chat: string
  contact_number: string
  /** A person's push name, or a group's subject. */
  name: string | null
  is_group: boolean
  last_message: string | null
  last_message_kind: string | null
  last_message_number: number | null
  last_message_at: string | null
  last_incoming_number: number | null
  unread_count: number
  created_at: string
}

type Body = RecordedOf<'MessageQueued'> | RecordedOf<'MessageReceived'> | RecordedOf<'MessageSentFromPhone'>

const withLastMessage = (
  { data }: Body,
  change: (row: ConversationRow) => Partial<ConversationRow> = () => ({}),
) =>
  data.content.kind === 'reaction'
    ? []
    : [
        update<ConversationRow>(data.conversationId, (row) => ({
          ...row,
          ...change(row),
          ...(data.number > (row.last_message_number ?? 0) && {
            last_message: textOf(data.content),
            last_message_kind: data.content.kind,
            last_message_number: data.number,
            last_message_at: data.at,
          }),
        })),
      ]

/** Every chat of every instance, with what a list of chats shows. */
export const conversations = projection<ConversationRow>({
  name: 'conversation',
  version: 1,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    chat: 'text not null',
    contact_number: 'text not null',
    name: 'text',
    is_group: 'boolean not null',
    last_message: 'text',
    last_message_kind: 'text',
    last_message_number: 'bigint',
    last_message_at: 'timestamptz',
    last_incoming_number: 'bigint',
    unread_count: 'integer not null',
    created_at: 'timestamptz not null',
  },
  indexes: [
    '(tenant_id, last_message_at desc nulls last)',
    '(instance_id, last_message_at desc nulls last)',
    '(number)',
  ],
  on: {
    ConversationStarted: ({ stream, data, meta }) => {
      const id = idOfStream(stream)
      return [
        put<ConversationRow>(id, {
          id,
          number: data.number,
          tenant_id: meta.tenant,
          instance_id: data.instanceId,
          chat: data.chat,
          contact_number: numberOf(data.chat),
          name: null,
          is_group: data.isGroup,
          last_message: null,
          last_message_kind: null,
          last_message_number: null,
          last_message_at: null,
          last_incoming_number: null,
          unread_count: 0,
          created_at: data.at,
        }),
      ]
    },
    ConversationRead: ({ stream, data }) => [
      update<ConversationRow>(idOfStream(stream), (row) =>
        (row.last_incoming_number ?? 0) <= data.upTo ? { ...row, unread_count: 0 } : row,
      ),
    ],
    MessageQueued: (event) => withLastMessage(event),
    MessageSentFromPhone: (event) => withLastMessage(event),
    MessageReceived: (event) =>
      withLastMessage(event, (row) => ({
        name: (isGroup(event.data.chat) ? event.data.chatName : event.data.senderName) ?? row.name,
        unread_count: row.unread_count + 1,
        last_incoming_number: event.data.number,
      })),
  },
})

export type ConversationFilter = {
  readonly tenantId: string
  readonly instanceId?: string | undefined
  readonly unread?: boolean | undefined
  readonly search?: string | undefined
  readonly isGroup?: boolean | undefined
  readonly page: number
  readonly perPage: number
}

const likePattern = (text: string) => `%${text.replace(/[\\%_]/g, '\\$&')}%`

/** One page of conversations, the one with the newest message first, and how many there are in all. */
export const listConversations = async (db: Kysely<Database>, filter: ConversationFilter) => {
  let matching = db.selectFrom('conversation').where('tenant_id', '=', filter.tenantId)
  if (filter.instanceId !== undefined) matching = matching.where('instance_id', '=', filter.instanceId)
  if (filter.isGroup !== undefined) matching = matching.where('is_group', '=', filter.isGroup)
  if (filter.unread !== undefined) matching = matching.where('unread_count', filter.unread ? '>' : '=', 0)
  if (filter.search) {
    const pattern = likePattern(filter.search)
    matching = matching.where((or) =>
      or.or([or('name', 'ilike', pattern), or('contact_number', 'like', pattern)]),
    )
  }
  const [rows, count] = await Promise.all([
    matching
      .selectAll()
      .orderBy('last_message_at', (order) => order.desc().nullsLast())
      .orderBy('number', 'desc')
      .limit(filter.perPage)
      .offset((filter.page - 1) * filter.perPage)
      .execute(),
    matching.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
  ])
  return { rows, total: count.total }
}

/** How many chats an instance has, and how many of them with a single person. */
export const countConversations = (db: Kysely<Database>, instanceId: string) =>
  db
    .selectFrom('conversation')
    .select(({ fn }) => [
      fn.countAll<number>().as('conversations'),
      fn.countAll<number>().filterWhere('is_group', '=', false).as('people'),
    ])
    .where('instance_id', '=', instanceId)
    .executeTakeFirstOrThrow()
