import { isSignal, textOf } from '../domain/content.ts'
import type { AutomationState, Picture } from '../domain/conversation.ts'
import { idOfStream } from '../domain/decider.ts'
import { contactId } from '../domain/ids.ts'
import type { Actor } from '../domain/metadata.ts'
import { isGroup, numberOf } from '../domain/values.ts'
import type { Kysely } from 'kysely'
import type { Database } from './database.ts'
import { projection, remove, update, type Change, type RecordedOf } from './projection.ts'
import { searchText } from './search-text.ts'

export type ConversationRow = {
  id: string
  number: number
  tenant_id: string
  instance_id: string
  /** The person at the other side as a contact; nobody for a group. */
  contact_id: string
  /** JID of the chat. */
  chat: string
  contact_number: string
  /** A person's push name, or a group's subject. */
  name: string | null
  /** Folded text that a search looks into. */
  search: string
  is_group: boolean
  picture: Picture | null
  last_message: string | null
  last_message_kind: string | null
  last_message_number: number | null
  last_message_at: string | null
  /** Of what was imported the newest is shown, of what came since the last. */
  last_message_imported: boolean
  last_incoming_number: number | null
  unread_count: number
  archived_at: string | null
  automation: AutomationState
  paused_at: string | null
  paused_by: Actor | null
  pause_reason: string | null
  /** What else it answers to: ids and numbers of those that became part of it. */
  aliases: string[] | null
  created_at: string
}

type Body = RecordedOf<'MessageQueued'> | RecordedOf<'MessageReceived'> | RecordedOf<'MessageSentFromPhone'>
type Stored = { readonly stream: string }

const firstRow = (
  id: string,
  tenantId: string,
  data: { number: number; instanceId: string; chat: string; at: string },
): ConversationRow => ({
  id,
  number: data.number,
  tenant_id: tenantId,
  instance_id: data.instanceId,
  contact_id: contactId(data.instanceId, data.chat),
  chat: data.chat,
  contact_number: numberOf(data.chat),
  name: null,
  search: searchText([], numberOf(data.chat)),
  is_group: isGroup(data.chat),
  picture: null,
  last_message: null,
  last_message_kind: null,
  last_message_number: null,
  last_message_at: null,
  last_message_imported: false,
  last_incoming_number: null,
  unread_count: 0,
  archived_at: null,
  automation: 'none',
  paused_at: null,
  paused_by: null,
  pause_reason: null,
  aliases: null,
  created_at: data.at,
})

type Last = Pick<
  ConversationRow,
  'last_message' | 'last_message_kind' | 'last_message_number' | 'last_message_at' | 'last_message_imported'
>
const lastOf = (row: ConversationRow): Last => ({
  last_message: row.last_message,
  last_message_kind: row.last_message_kind,
  last_message_number: row.last_message_number,
  last_message_at: row.last_message_at,
  last_message_imported: row.last_message_imported,
})

/** Clocks differ: what came since the pairing is in the order in which it came, and only the past goes by its times. */
const isNewer = (one: Last, other: Last): boolean => {
  if (one.last_message_number === null || other.last_message_number === null)
    return one.last_message_number !== null
  if (one.last_message_imported || other.last_message_imported) {
    const [time, before] = [one, other].map(({ last_message_at: at }) => Date.parse(at ?? ''))
    if (time !== before) return Number(time) > Number(before)
  }
  return one.last_message_number > other.last_message_number
}

const isImported = (data: Body['data']) => 'importedAt' in data && data.importedAt !== undefined

/** A conversation that was deleted while a message was on its way comes back with that message. */
const withMessage = (
  { data, meta }: Body,
  change: (row: ConversationRow) => Partial<ConversationRow> = () => ({}),
): Change<ConversationRow>[] => {
  if (isSignal(data.content)) return []
  const { conversationId: id, conversationNumber, instanceId, chat, at } = data
  const last: Last = {
    last_message: textOf(data.content),
    last_message_kind: data.content.kind,
    last_message_number: data.number,
    last_message_at: at,
    last_message_imported: isImported(data),
  }
  const evolve = (
    row = firstRow(id, meta.tenant, { number: conversationNumber, instanceId, chat, at }),
  ): ConversationRow => ({
    ...row,
    ...change(row),
    ...(isNewer(last, row) && last),
  })
  return [{ key: id, evolve }]
}

const larger = (one: number | null, other: number | null) =>
  one === null || other === null ? (one ?? other) : Math.max(one, other)

/** A conversation with what there is of another one, that is part of it now. */
const united = (row: ConversationRow, other: ConversationRow): ConversationRow => {
  const name = row.name ?? other.name
  return {
    ...row,
    name,
    search: searchText([name], row.contact_number),
    ...(isNewer(other, row) && lastOf(other)),
    last_incoming_number: larger(row.last_incoming_number, other.last_incoming_number),
    unread_count: row.unread_count + other.unread_count,
    created_at: Date.parse(other.created_at) < Date.parse(row.created_at) ? other.created_at : row.created_at,
  }
}

const withAliases = (row: ConversationRow, aliases: readonly string[] = []): ConversationRow =>
  aliases.length === 0 ? row : { ...row, aliases: [...new Set([...(row.aliases ?? []), ...aliases])] }

const change = ({ stream }: Stored, columns: Partial<ConversationRow>) => [
  update<ConversationRow>(idOfStream(stream), (row) => ({ ...row, ...columns })),
]

/** What the list shows of the last message, when that message changes. */
const changeOfLast = (
  { data }: RecordedOf<'MessageEdited'> | RecordedOf<'MessageDeleted'>,
  text: string | null,
) => [
  update<ConversationRow>(data.conversationId, (row) =>
    row.last_message_number === data.number ? { ...row, last_message: text } : row,
  ),
]

const notPaused = { paused_at: null, paused_by: null, pause_reason: null }

/** The pictures of people, by their ids as contacts, from the conversations with them. */
export const picturesOfContacts = async (db: Kysely<Database>, ids: readonly string[]) => {
  const rows =
    ids.length === 0
      ? []
      : await db
          .selectFrom('conversation')
          .select(['contact_id', 'picture'])
          .where('contact_id', 'in', [...ids])
          .execute()
  const pictures = new Map(rows.map(({ contact_id, picture }) => [contact_id, picture]))
  return (id: string) => pictures.get(id)
}

/** The order of lists, and what their filters look at: rows are found, skipped and counted without reading the table. */
const listed =
  'last_message_at desc nulls last, number desc) include (id, contact_id, instance_id, is_group, unread_count, search'

/** Every chat of every instance, with what a list of chats shows. */
export const conversations = projection<ConversationRow>({
  name: 'conversation',
  version: 4,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    contact_id: 'uuid not null',
    chat: 'text not null',
    contact_number: 'text not null',
    name: 'text',
    search: 'text not null',
    is_group: 'boolean not null',
    picture: 'jsonb',
    last_message: 'text',
    last_message_kind: 'text',
    last_message_number: 'bigint',
    last_message_at: 'timestamptz',
    last_message_imported: 'boolean not null',
    last_incoming_number: 'bigint',
    unread_count: 'integer not null',
    archived_at: 'timestamptz',
    automation: 'text not null',
    paused_at: 'timestamptz',
    paused_by: 'jsonb',
    pause_reason: 'text',
    aliases: 'text[]',
    created_at: 'timestamptz not null',
  },
  // Many messages of one conversation are one write; whoever reads waits, and ends the rest.
  restMs: 50,
  // Each message changes a row. An index alone answers as long as few changes wait for the vacuum.
  storage: 'autovacuum_vacuum_scale_factor = 0.01',
  indexes: [
    `(tenant_id, ${listed}) where archived_at is null`,
    `(tenant_id, instance_id, ${listed}) where archived_at is null`,
    `(tenant_id, ${listed}) where archived_at is null and unread_count > 0`,
    `(tenant_id, ${listed}) where archived_at is not null`,
    'using gin (tenant_id, search gin_trgm_ops)',
    // For counting them: many rows share an entry, so it is small.
    '(tenant_id, instance_id, is_group, archived_at)',
    '(contact_id)',
    '(number)',
    'using gin (aliases) where aliases is not null',
  ],
  on: {
    ConversationStarted: ({ stream, data, meta }) => {
      const id = idOfStream(stream)
      const automation = data.automated ? 'active' : 'none'
      const evolve = (row = firstRow(id, meta.tenant, data)): ConversationRow =>
        withAliases({ ...row, automation }, data.aliases)
      return [{ key: id, evolve }]
    },
    ConversationRead: ({ stream, data }) => [
      update<ConversationRow>(idOfStream(stream), (row) =>
        (row.last_incoming_number ?? 0) <= data.upTo ? { ...row, unread_count: 0 } : row,
      ),
    ],
    ConversationPictured: (event) => change(event, { picture: event.data.picture ?? null }),
    ConversationArchived: (event) => change(event, { archived_at: event.data.at }),
    ConversationRestored: (event) => change(event, { archived_at: null }),
    ConversationDeleted: ({ stream }) => [remove<ConversationRow>(idOfStream(stream))],
    AutomationPaused: (event) =>
      change(event, {
        automation: 'paused',
        paused_at: event.data.at,
        paused_by: event.meta.actor,
        pause_reason: event.data.reason ?? null,
      }),
    AutomationResumed: (event) => change(event, { automation: 'active', ...notPaused }),
    MessageQueued: (event) => withMessage(event),
    MessageSentFromPhone: (event) => withMessage(event),
    ConversationMerged: ({ stream, data, meta }) => {
      const other = idOfStream(stream)
      const first = { number: data.intoNumber, instanceId: data.instanceId, chat: data.chat, at: data.at }
      const evolve = (row?: ConversationRow, merged?: ConversationRow) =>
        merged ? united(row ?? firstRow(data.into, meta.tenant, first), merged) : row
      return [{ key: data.into, evolve, beside: other }, remove<ConversationRow>(other)]
    },
    ConversationUnited: ({ stream, data }) => [
      update<ConversationRow>(idOfStream(stream), (row) => withAliases(row, data.aliases)),
    ],
    MessageReceived: (event) =>
      withMessage(event, (row) => {
        const name = (isGroup(event.data.chat) ? event.data.chatName : event.data.senderName) ?? row.name
        return {
          name,
          ...(name !== row.name && { search: searchText([name], row.contact_number) }),
          // Whatever was said before the pairing has been read, or not, on the phone.
          ...(!isImported(event.data) && {
            unread_count: row.unread_count + 1,
            last_incoming_number: event.data.number,
          }),
        }
      }),
    MessageEdited: (event) => changeOfLast(event, event.data.text),
    MessageDeleted: (event) => changeOfLast(event, null),
  },
})
