import type { Kysely } from 'kysely'
import { idOfStream } from '../domain/decider.ts'
import type { Database } from './database.ts'
import { projection, put, remove } from './projection.ts'

export type ConversationTagRow = {
  /** Conversation and tag. */
  id: string
  tenant_id: string
  conversation_id: string
  tag_id: string
}

const keyOf = (conversation: string, tag: string) => `${conversation} ${tag}`
const carrying = (conversation_id: string, tenant_id: string, tags: readonly string[]) =>
  tags.map((tag_id) => {
    const id = keyOf(conversation_id, tag_id)
    return put<ConversationTagRow>(id, { id, tenant_id, conversation_id, tag_id })
  })

/** Which conversation carries which tag. */
export const conversationTags = projection<ConversationTagRow>({
  name: 'conversation_tag',
  version: 3,
  key: 'id',
  columns: {
    id: 'text',
    tenant_id: 'uuid not null',
    conversation_id: 'uuid not null',
    tag_id: 'uuid not null',
  },
  indexes: ['(tag_id, conversation_id)', '(conversation_id, tag_id)', '(tenant_id, conversation_id)'],
  on: {
    ConversationTagged: ({ stream, data, meta }) => [
      ...data.removed.map((tag) => remove<ConversationTagRow>(keyOf(idOfStream(stream), tag))),
      ...carrying(idOfStream(stream), meta.tenant, data.added),
    ],
    // What the other one carried goes with it.
    ConversationUnited: ({ stream, data, meta }) => carrying(idOfStream(stream), meta.tenant, data.tags),
  },
  sweeps: {
    TagDeleted: ({ stream }) => ({ column: 'tag_id', value: idOfStream(stream) }),
    ConversationDeleted: ({ stream }) => ({ column: 'conversation_id', value: idOfStream(stream) }),
    ConversationMerged: ({ stream }) => ({ column: 'conversation_id', value: idOfStream(stream) }),
  },
})

export type ShownTag = { readonly id: string; readonly name: string; readonly color: string }

/** The tags of some conversations, by name. */
export const tagsOf = async (db: Kysely<Database>, conversationIds: readonly string[]) => {
  const rows =
    conversationIds.length === 0
      ? []
      : await db
          .selectFrom('conversation_tag')
          .innerJoin('tag', 'tag.id', 'conversation_tag.tag_id')
          .select(['conversation_id', 'tag.id', 'tag.name', 'tag.color'])
          .where('conversation_id', 'in', [...conversationIds])
          .orderBy('tag.folded_name')
          .execute()
  const byConversation = new Map<string, ShownTag[]>()
  for (const { conversation_id, ...tag } of rows)
    byConversation.set(conversation_id, [...(byConversation.get(conversation_id) ?? []), tag])
  return (conversationId: string): readonly ShownTag[] => byConversation.get(conversationId) ?? []
}
