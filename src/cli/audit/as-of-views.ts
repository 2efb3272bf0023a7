import type { Kysely } from 'kysely'
import { contactView } from '../../http/contacts.ts'
import { createFinders } from '../../http/finders.ts'
import { messageView } from '../../http/message-view.ts'
import type { Caller } from '../../http/route.ts'
import { contactNames } from '../../projections/contacts.ts'
import { tagsOf } from '../../projections/conversation-tags.ts'
import type { Database } from '../../projections/database.ts'
import { messagesOfConversation } from '../../projections/message-lists.ts'
import type { ReadModel } from '../../projections/read-models.ts'
import { listTags } from '../../projections/tags.ts'
import { printable } from '../printable.ts'

/** So many of the last messages are shown. */
const MESSAGES = 50
const LABEL = 12

type Shown = { readonly json: object; readonly text: string }
type View = {
  readonly models: readonly ReadModel[]
  /** Throws NOT_FOUND, or answers nothing, if there is no such thing in these tables. */
  readonly show: (db: Kysely<Database>, tenantId: string, ref: string) => Promise<Shown | undefined>
}

const callerOf = (tenantId: string): Caller => ({
  tenantId,
  tokenId: 'command line',
  actor: { kind: 'operator' },
  permissions: new Set(),
})

type Line = readonly [label: string, value: string | number | null]
/** Lines of a label and a value; those without a value are left out. */
const linesOf = (title: string, lines: readonly Line[]) =>
  [
    title,
    ...lines.flatMap(([label, value]) =>
      value === null ? [] : [printable(`  ${label.padEnd(LABEL)}${value}`)],
    ),
  ].join('\n')

type Message = ReturnType<typeof messageView>
const contentOf = ({ message_body, media_type, deleted_at }: Message) =>
  deleted_at !== null
    ? '(taken back)'
    : [media_type && `[${media_type}]`, message_body].filter(Boolean).join(' ')
const messageLine = (message: Message) => {
  const who = message.is_from_me ? '→' : `← ${message.sender_name ?? message.sender_number ?? ''}:`
  const marks = [
    message.status,
    message.error,
    message.edited_at && 'edited',
    ...message.reactions.map(({ emoji }) => emoji),
  ]
  return printable(
    `  ${message.created_at}  ${who} ${contentOf(message)}  [${marks.filter(Boolean).join(', ')}]`,
  )
}

const conversation: View = {
  models: ['conversations', 'contacts', 'conversationTags', 'tags', 'messages'],
  show: async (db, tenantId, ref) => {
    const row = await createFinders(db).conversationOf(callerOf(tenantId), ref)
    const [nameOf, tagged, page] = await Promise.all([
      contactNames(db, [row.contact_id]),
      tagsOf(db, [row.id]),
      messagesOfConversation(db, row.id, { limit: MESSAGES }),
    ])
    const messages = page.messages.map(messageView)
    const { id, number, instance_id, contact_number, is_group, unread_count, archived_at } = row
    const { automation, paused_at, pause_reason, created_at } = row
    const name = nameOf(row.contact_id) ?? row.name
    const tags = tagged(id)
    const heading = page.hasMore ? `The last ${MESSAGES} messages` : 'Messages'
    return {
      json: {
        ...{ id, number, instance_id, contact_number, name, is_group, unread_count, archived_at },
        ...{ automation, paused_at, pause_reason, created_at, tags },
        ...{ messages, has_more: page.hasMore },
      },
      text: [
        linesOf(`Conversation ${number}, ${id}`, [
          ['with', name === null ? contact_number : `${name}, ${contact_number}`],
          ['instance', instance_id],
          ['since', created_at],
          ['unread', unread_count],
          ['archived', archived_at],
          ['automation', pause_reason === null ? automation : `${automation}: ${pause_reason}`],
          ['tags', tags.map((tag) => tag.name).join(', ') || null],
        ]),
        ...(messages.length === 0 ? ['No messages.'] : [`${heading}:`, ...messages.map(messageLine)]),
      ].join('\n'),
    }
  },
}

const contact: View = {
  models: ['contacts', 'conversations'],
  show: async (db, tenantId, ref) => {
    const view = contactView(await createFinders(db).contactOf(callerOf(tenantId), ref), null)
    return {
      json: view,
      text: linesOf(`Contact ${view.id}, ${view.uuid}`, [
        ['number', view.phone_number],
        ['name', view.name],
        ['push name', view.push_name],
        ['phone book', view.address_book_name],
        ['email', view.email],
        ['company', view.company],
        ['notes', view.notes],
        ['saved', view.is_saved ? 'by a user' : 'no'],
        ['instance', view.instance_id],
        ['since', view.created_at],
      ]),
    }
  },
}

const tag: View = {
  models: ['tags', 'conversationTags'],
  show: async (db, tenantId, ref) => {
    const [row] = await listTags(db, tenantId, ref)
    if (!row) return undefined
    const { id, name, color, conversations_count, created_at, updated_at } = row
    return {
      json: { id, name, color, conversations_count, created_at, updated_at },
      text: linesOf(`Tag ${id}`, [
        ['name', name],
        ['color', color],
        ['carried by', `${conversations_count} conversations`],
        ['since', created_at],
        ['changed', updated_at],
      ]),
    }
  },
}

/** What can be shown as it was at a time. */
export const views = { conversation, contact, tag } as const
export type Thing = keyof typeof views
export const things = ['conversation', 'contact', 'tag'] as const satisfies readonly Thing[]
