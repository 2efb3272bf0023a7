import { Type } from 'typebox'
import { Uuid } from '../../domain/values.ts'
import { listConversations } from '../../projections/conversation-lists.ts'
import { createConversationViews, ListedConversation } from '../conversation-view.ts'
import { GivenInstance } from '../fields.ts'
import { ok, pageMeta, pageOf, pageQuery, pagedEnvelope } from '../format.ts'
import type { Instances } from '../instances.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'

const query = Type.Object({
  ...pageQuery,
  instance_id: Type.Optional(GivenInstance),
  unread: Type.Optional(Type.Boolean({ description: 'true: only those with unread messages' })),
  search: Type.Optional(Type.String({ maxLength: 100, description: 'Part of a name or number' })),
  is_group: Type.Optional(Type.Boolean()),
  include_tags: Type.Optional(Type.Boolean()),
  tag_id: Type.Optional(Uuid),
  tag_ids: Type.Optional(
    Type.Array(Uuid, { maxItems: 100, description: 'Any of these tags: with commas, or repeated' }),
  ),
  untagged: Type.Optional(Type.Boolean({ description: 'true: only those without tags' })),
  format: Type.Optional(
    Type.Enum(['chat'], { description: 'With what a chat on a screen needs beside: tags and the instance' }),
  ),
})

/** The lists of conversations: active ones, archived ones, and those for a chat on a screen. */
export const conversationLists = (services: Services, instances: Instances) => {
  const { db } = services
  const views = createConversationViews(services)

  const list = (of: { path: string; operationId: string; summary: string; archived: boolean; chat?: true }) =>
    route({
      method: 'GET',
      path: of.path,
      operationId: of.operationId,
      tag: of.chat ? 'Chat' : 'Conversations',
      reads: ['conversations', 'contacts', 'conversationTags', 'tags', 'instances'],
      asOf: () => ({ kind: 'account' }),
      summary: of.summary,
      description: 'The one with the newest message first.',
      access: 'conversations:read',
      limit: 'standard',
      query,
      successDescription: 'One page of conversations.',
      responses: { 200: pagedEnvelope(ListedConversation) },
      async handle({ caller, query, request }) {
        const { page, perPage } = pageOf(query)
        const instanceId = await instances.only(caller, query.instance_id)
        const tagIds = [...(query.tag_ids ?? []), ...(query.tag_id === undefined ? [] : [query.tag_id])]
        const { rows, total } = await listConversations(db, {
          tenantId: caller.tenantId,
          instanceId,
          archived: of.archived,
          unread: query.unread || undefined,
          search: query.search,
          isGroup: query.is_group,
          tagIds: tagIds.length > 0 ? tagIds : undefined,
          untagged: query.untagged || undefined,
          page,
          perPage,
        })
        const screen = of.chat ?? query.format === 'chat'
        const data = await views.listed(rows, { tags: query.include_tags ?? false, screen }, request)
        return reply(200, { ...ok(data), meta: pageMeta(total, perPage, page) })
      },
    })

  return [
    list({
      path: '/conversations',
      operationId: 'listConversations',
      summary: 'Active conversations',
      archived: false,
    }),
    list({
      path: '/conversations/archived',
      operationId: 'listArchivedConversations',
      summary: 'Archived conversations',
      archived: true,
    }),
    list({
      path: '/chat/conversations',
      operationId: 'listChatConversations',
      summary: 'Active conversations for a chat on a screen',
      archived: false,
      chat: true,
    }),
  ]
}
