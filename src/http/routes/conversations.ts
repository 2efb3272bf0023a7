import { Type } from 'typebox'
import { Conversation, markRead } from '../../domain/conversation.ts'
import { notFound } from '../../domain/errors.ts'
import { Uuid } from '../../domain/values.ts'
import { listConversations, type ConversationRow } from '../../projections/conversations.ts'
import { messagesOfConversation } from '../../projections/messages.ts'
import { contextOf } from '../context.ts'
import { Done, done, envelope, ok, pageMeta, pageOf, pageQuery, pagedEnvelope } from '../format.ts'
import { isSerial, isUuid, type Instances } from '../instances.ts'
import { reply, route, type Caller } from '../route.ts'
import type { Services } from '../services.ts'
import { timeOf } from '../times.ts'
import { ConversationView, conversationView, MessageView, messageView } from '../views.ts'

const tag = 'Conversations'
const MESSAGES_DEFAULT = 50
const MESSAGES_MAX = 100
const params = Type.Object({ id: Type.String({ description: 'UUID or number of the conversation' }) })

export const conversationRoutes = ({ db, transact }: Services, instances: Instances) => {
  const rowOf = async (caller: Caller, ref: string): Promise<ConversationRow> => {
    if (!isUuid(ref) && !isSerial(ref)) throw notFound('Conversation')
    const query = db.selectFrom('conversation').selectAll().where('tenant_id', '=', caller.tenantId)
    const row = await (
      isUuid(ref) ? query.where('id', '=', ref) : query.where('number', '=', Number(ref))
    ).executeTakeFirst()
    if (!row || (caller.instanceId !== undefined && caller.instanceId !== row.instance_id))
      throw notFound('Conversation')
    return row
  }

  return [
    route({
      method: 'GET',
      path: '/conversations',
      operationId: 'listConversations',
      tag,
      reads: ['conversations'],
      summary: 'Active conversations',
      description: 'The one with the newest message first.',
      access: 'conversations:read',
      limit: 'standard',
      query: Type.Object({
        ...pageQuery,
        instance_id: Type.Optional(Type.String({ description: 'UUID or number of the instance' })),
        unread: Type.Optional(Type.Boolean()),
        search: Type.Optional(Type.String({ maxLength: 100, description: 'Part of a name or number' })),
        is_group: Type.Optional(Type.Boolean()),
        include_tags: Type.Optional(Type.Boolean()),
        tag_id: Type.Optional(Uuid),
        tag_ids: Type.Optional(Type.Array(Uuid, { description: 'Any of these tags' })),
        untagged: Type.Optional(Type.Boolean()),
      }),
      successDescription: 'One page of conversations.',
      responses: {
        200: pagedEnvelope(
          Type.Object({ ...ConversationView.properties, tags: Type.Optional(Type.Array(Type.Object({}))) }),
        ),
      },
      async handle({ caller, query }) {
        const { page, perPage } = pageOf(query)
        const instanceId =
          query.instance_id === undefined
            ? caller.instanceId
            : (await instances.ofCaller(caller, query.instance_id)).id
        const { unread, search, is_group: isGroup } = query
        const filter = {
          tenantId: caller.tenantId,
          archived: false,
          instanceId,
          unread,
          search,
          isGroup,
          page,
          perPage,
        }
        // No conversation carries a tag yet: tags come with their own calls.
        const tagged = query.tag_id !== undefined || (query.tag_ids?.length ?? 0) > 0
        const { rows, total } = tagged ? { rows: [], total: 0 } : await listConversations(db, filter)
        const data = rows.map((row) => ({
          ...conversationView(row),
          ...(query.include_tags && { tags: [] }),
        }))
        return reply(200, { ...ok(data), meta: pageMeta(total, perPage, page) })
      },
    }),
    route({
      method: 'GET',
      path: '/conversations/:id',
      operationId: 'getConversation',
      tag,
      reads: ['conversations'],
      summary: 'One conversation',
      access: 'conversations:read',
      limit: 'standard',
      params,
      successDescription: 'The conversation.',
      responses: { 200: envelope(ConversationView) },
      handle: async ({ caller, params }) => reply(200, ok(conversationView(await rowOf(caller, params.id)))),
    }),
    route({
      method: 'GET',
      path: '/conversations/:id/messages',
      operationId: 'listMessages',
      tag,
      reads: ['conversations', 'messages'],
      summary: 'Messages of a conversation',
      description:
        'Oldest first. Without after_id: the newest messages (before before_id). With after_id: the ones that follow it.',
      access: 'messages:read',
      limit: 'standard',
      params,
      query: Type.Object({
        from: Type.Optional(Type.String({ format: 'date-time' })),
        to: Type.Optional(Type.String({ format: 'date-time' })),
        before_id: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
        after_id: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MESSAGES_MAX, default: MESSAGES_DEFAULT })),
      }),
      successDescription: 'One page of messages.',
      responses: {
        200: envelope(
          Type.Object({
            messages: Type.Array(MessageView),
            has_more: Type.Boolean(),
            oldest_id: Type.Union([Type.Integer(), Type.Null()]),
            newest_id: Type.Union([Type.Integer(), Type.Null()]),
          }),
        ),
      },
      async handle({ caller, params, query }) {
        const conversation = await rowOf(caller, params.id)
        const { messages, hasMore } = await messagesOfConversation(db, conversation.id, {
          from: query.from === undefined ? undefined : timeOf(query.from, 'from'),
          to: query.to === undefined ? undefined : timeOf(query.to, 'to'),
          beforeNumber: query.before_id,
          afterNumber: query.after_id,
          limit: query.limit ?? MESSAGES_DEFAULT,
        })
        return reply(
          200,
          ok({
            messages: messages.map(messageView),
            has_more: hasMore,
            oldest_id: messages[0]?.number ?? null,
            newest_id: messages.at(-1)?.number ?? null,
          }),
        )
      },
    }),
    route({
      method: 'POST',
      path: '/conversations/:id/mark-read',
      operationId: 'markConversationRead',
      tag,
      reads: ['conversations'],
      summary: 'Mark a conversation as read',
      access: 'conversations:write',
      limit: 'standard',
      params,
      successDescription: 'Nothing of it is unread any more.',
      responses: { 200: Done },
      async handle({ caller, params, request }) {
        const { id, last_incoming_number: newest } = await rowOf(caller, params.id)
        if (newest !== null) {
          const decide = markRead(newest, new Date().toISOString())
          await transact(Conversation, id, decide, contextOf(caller, request))
        }
        return reply(200, done('Conversation marked as read'))
      },
    }),
  ]
}
