import type { Kysely } from 'kysely'
import { Type, type Static } from 'typebox'
import { mediaKinds, mediaMissingReasons } from '../domain/content.ts'
import { contentDetails } from '../domain/content-details.ts'
import { messageStatuses } from '../domain/message.ts'
import { ERASED, literals, numberOf, toJid, Uuid } from '../domain/values.ts'
import type { Database } from '../projections/database.ts'
import type { MessageReaction, MessageRow } from '../projections/messages.ts'
import { isoSeconds, Nullable, secondsOrNull } from './format.ts'
import { escapeHtml } from './html.ts'
import { namesOf } from './names.ts'

const Reaction = Type.Object({
  emoji: Type.String(),
  sender_number: Type.String(),
  sender_name: Nullable,
  from_me: Type.Boolean(),
})

export const MessageView = Type.Object({
  id: Type.Integer({ description: 'For before_id and after_id' }),
  unique_id: Uuid,
  whatsapp_message_id: Type.String(),
  direction: literals(['incoming', 'outgoing']),
  is_from_me: Type.Boolean(),
  message_body: Nullable,
  media_type: Type.Union([literals(mediaKinds), Type.Null()]),
  media_url: Nullable,
  media_missing: Type.Union([literals(mediaMissingReasons), Type.Null()], {
    description: 'Why the file that came with it is not here; null if it is, or there is none',
  }),
  mime_type: Nullable,
  filename: Nullable,
  location: Type.Union([contentDetails.location, Type.Null()]),
  contacts: Type.Union([contentDetails.contacts, Type.Null()]),
  poll: Type.Union([contentDetails.poll, Type.Null()]),
  other: Type.Union([contentDetails.other, Type.Null()]),
  sender_number: Nullable,
  sender_name: Nullable,
  reply_to: Nullable,
  mentioned_jids: Type.Array(Type.String()),
  reactions: Type.Array(Reaction),
  status: literals(messageStatuses),
  error: Nullable,
  imported: Type.Boolean({ description: 'Said before the phone was paired; nobody was told of it as news' }),
  edited_at: Nullable,
  deleted_at: Nullable,
  created_at: Type.String(),
})

export const messageView = (row: MessageRow): Static<typeof MessageView> => ({
  id: row.number,
  unique_id: row.id,
  whatsapp_message_id: row.whatsapp_id,
  direction: row.direction,
  is_from_me: row.direction === 'outgoing',
  message_body: row.body,
  media_type: mediaKinds.find((kind) => kind === row.kind) ?? null,
  media_url: row.media_url,
  media_missing: row.media_missing,
  mime_type: row.mime_type,
  filename: row.filename,
  location: row.details.location ?? null,
  contacts: row.details.contacts ?? null,
  poll: row.details.poll ?? null,
  other: row.details.other ?? null,
  sender_number: row.sender_jid === null ? null : numberOf(row.sender_jid),
  sender_name: row.sender_name,
  reply_to: row.reply_to,
  mentioned_jids: row.mentions,
  reactions: row.reactions.map(({ by, name, from_me, emoji }) => ({
    emoji,
    sender_number: by,
    sender_name: name,
    from_me,
  })),
  status: row.status,
  error: row.error,
  imported: row.imported,
  edited_at: secondsOrNull(row.edited_at),
  deleted_at: secondsOrNull(row.deleted_at),
  created_at: isoSeconds(row.at),
})

const GroupedReaction = Type.Object({
  emoji: Type.String(),
  count: Type.Integer(),
  has_my_reaction: Type.Boolean(),
  reactors: Type.Array(Type.String(), { description: 'Numbers' }),
  reactor_names: Type.Array(Type.String(), {
    description: 'In the same order; the number of who has no name',
  }),
})

/** A message for a chat on a screen. */
export const ChatMessageView = Type.Object({
  ...MessageView.properties,
  formatted_body: Type.Union([Type.String(), Type.Null()], {
    description: 'HTML, escaped; mentions are spans of the class "mention" with the number in data-phone',
  }),
  grouped_reactions: Type.Array(GroupedReaction),
})

type NameOf = (jid: string) => string | undefined

/** The text as HTML, each mention of somebody who is mentioned as a span with the name. */
export const formattedBody = (text: string, mentions: readonly string[], nameOf: NameOf): string => {
  const jids = new Map(mentions.map((jid) => [numberOf(jid), jid]))
  return text
    .split(/(@\d+)/)
    .map((part) => {
      const jid = part.startsWith('@') ? jids.get(part.slice(1)) : undefined
      if (jid === undefined) return escapeHtml(part)
      const name = escapeHtml(nameOf(jid) ?? numberOf(jid))
      return `<span class="mention" data-phone="${numberOf(jid)}">@${name}</span>`
    })
    .join('')
}

/** Who reacted; of who was erased, there is no number. */
const jidOf = (by: string) => (by === ERASED ? by : toJid(by, 'reactor'))

/** Reactions by emoji, in the order in which each emoji came first. */
const grouped = (reactions: readonly MessageReaction[], nameOf: NameOf) => {
  const groups = new Map<string, MessageReaction[]>()
  for (const reaction of reactions)
    groups.set(reaction.emoji, [...(groups.get(reaction.emoji) ?? []), reaction])
  return [...groups].map(([emoji, of]) => ({
    emoji,
    count: of.length,
    has_my_reaction: of.some(({ from_me }) => from_me),
    reactors: of.map(({ by }) => by),
    reactor_names: of.map(({ by, name }) => nameOf(jidOf(by)) ?? name ?? by),
  }))
}

/** The messages of one conversation for a chat on a screen: names are looked up once for all of them. */
export const chatMessageViews = async (
  db: Kysely<Database>,
  rows: readonly MessageRow[],
): Promise<Static<typeof ChatMessageView>[]> => {
  const [first] = rows
  if (!first) return []
  const people = rows.flatMap(({ mentions, reactions }) => [
    ...mentions,
    ...reactions.map(({ by }) => jidOf(by)),
  ])
  const nameOf = await namesOf(db, first.instance_id, people)
  return rows.map((row) => ({
    ...messageView(row),
    formatted_body: row.body === null ? null : formattedBody(row.body, row.mentions, nameOf),
    grouped_reactions: grouped(row.reactions, nameOf),
  }))
}
