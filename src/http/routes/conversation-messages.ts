import { Type } from 'typebox'
import { messagesOfConversation } from '../../projections/message-lists.ts'
import { GivenConversation } from '../fields.ts'
import type { Finders } from '../finders.ts'
import { envelope, ok } from '../format.ts'
import { ChatMessageView, chatMessageViews, MessageView, messageView } from '../message-view.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'
import { timeOf } from '../times.ts'

const LIMIT_DEFAULT = 50
const LIMIT_MAX = 100

const Shown = Type.Object({
  ...MessageView.properties,
  formatted_body: Type.Optional(ChatMessageView.properties.formatted_body),
  grouped_reactions: Type.Optional(ChatMessageView.properties.grouped_reactions),
})
const Id = Type.Union([Type.Integer(), Type.Null()])

/** The messages of a conversation, page by page. */
export const conversationMessages = ({ db }: Services, { conversationOf }: Finders) => {
  const list = (of: { path: string; operationId: string; chat?: true }) =>
    route({
      method: 'GET',
      path: of.path,
      operationId: of.operationId,
      tag: of.chat ? 'Chat' : 'Conversations',
      reads: ['conversations', 'messages', 'contacts', 'instances'],
      asOf: ({ params }) => ({ kind: 'conversation', ref: params.id }),
      summary: of.chat ? 'Messages for a chat on a screen' : 'Messages of a conversation',
      description:
        'Oldest first. Without after_id: the newest messages (before before_id). With after_id: the ones that follow it. What was said before the phone was paired comes before what came since, whenever it was imported.',
      access: 'messages:read',
      limit: 'standard',
      params: Type.Object({ id: GivenConversation }),
      query: Type.Object({
        from: Type.Optional(Type.String({ format: 'date-time' })),
        to: Type.Optional(Type.String({ format: 'date-time' })),
        before_id: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
        after_id: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT })),
        format: Type.Optional(
          Type.Enum(['chat'], { description: 'With formatted_body and grouped_reactions' }),
        ),
      }),
      successDescription: 'One page of messages.',
      responses: {
        200: envelope(
          Type.Object({
            messages: Type.Array(Shown),
            has_more: Type.Boolean(),
            oldest_id: Id,
            newest_id: Id,
          }),
        ),
      },
      async handle({ caller, params, query }) {
        const conversation = await conversationOf(caller, params.id)
        const { messages, hasMore } = await messagesOfConversation(db, conversation.id, {
          from: query.from === undefined ? undefined : timeOf(query.from, 'from'),
          to: query.to === undefined ? undefined : timeOf(query.to, 'to'),
          beforeNumber: query.before_id,
          afterNumber: query.after_id,
          limit: query.limit ?? LIMIT_DEFAULT,
        })
        const isForScreen = of.chat ?? query.format === 'chat'
        return reply(
          200,
          ok({
            messages: isForScreen ? await chatMessageViews(db, messages) : messages.map(messageView),
            has_more: hasMore,
            oldest_id: messages[0]?.number ?? null,
            newest_id: messages.at(-1)?.number ?? null,
          }),
        )
      },
    })

  return [
    list({ path: '/conversations/:id/messages', operationId: 'listMessages' }),
    list({ path: '/chat/conversations/:id/messages', operationId: 'listChatMessages', chat: true }),
  ]
}
