import { Type } from 'typebox'
import {
  archive,
  Conversation,
  markRead,
  restore,
  type ConversationEvent,
} from '../../domain/conversation.ts'
import type { Decide } from '../../domain/decider.ts'
import { literals, Uuid } from '../../domain/values.ts'
import { presences } from '../../ports/gateway.ts'
import { contextOf } from '../context.ts'
import { ConversationDetail, createConversationViews } from '../conversation-view.ts'
import { GivenConversation } from '../fields.ts'
import type { Finders } from '../finders.ts'
import { Done, done, envelope, isoMicros, ok } from '../format.ts'
import { createReach } from '../reach.ts'
import { inChat, reply, route, type Caller, type RouteRequest } from '../route.ts'
import type { Services } from '../services.ts'
import { now } from '../times.ts'

const common = {
  tag: 'Conversations',
  reads: ['conversations'],
  limit: 'standard',
  params: Type.Object({ id: GivenConversation }),
} as const
const changing = { ...common, access: 'conversations:write' } as const

/** One conversation: looking at it, archiving, reading and deleting it. Most calls exist under /chat, too. */
export const conversationRoutes = (services: Services, { conversationOf }: Finders) => {
  const { transact } = services
  const views = createConversationViews(services)
  const reach = createReach(services)

  const change = async (
    caller: Caller,
    request: RouteRequest,
    ref: string,
    decide: Decide<Conversation, ConversationEvent>,
  ) => {
    const row = await conversationOf(caller, ref)
    await transact(Conversation, row.id, decide, contextOf(caller, request))
    return row
  }

  const show = route({
    ...common,
    method: 'GET',
    path: '/conversations/:id',
    operationId: 'getConversation',
    reads: ['conversations', 'contacts', 'conversationTags', 'tags', 'instances', 'automations'],
    asOf: ({ params }) => ({ kind: 'conversation', ref: params.id }),
    summary: 'One conversation',
    access: 'conversations:read',
    query: Type.Object({
      format: Type.Optional(Type.Enum(['chat'], { description: 'One conversation is always shown so' })),
    }),
    successDescription: 'The conversation.',
    responses: { 200: envelope(ConversationDetail) },
    handle: async ({ caller, params, request }) =>
      reply(200, ok(await views.detail(await conversationOf(caller, params.id), request))),
  })
  const read = route({
    ...changing,
    method: 'POST',
    path: '/conversations/:id/mark-read',
    operationId: 'markConversationRead',
    summary: 'Mark a conversation as read',
    description: 'On WhatsApp, too: whoever wrote sees it, unless the account shows no read receipts.',
    successDescription: 'Nothing of it is unread any more.',
    responses: { 200: Done },
    async handle({ caller, params, request }) {
      const { id, last_incoming_number: newest } = await conversationOf(caller, params.id)
      if (newest !== null)
        await transact(Conversation, id, markRead(newest, now()), contextOf(caller, request))
      return reply(200, done('Conversation marked as read'))
    },
  })
  const presence = route({
    ...changing,
    method: 'POST',
    path: '/conversations/:id/presence',
    operationId: 'showPresence',
    summary: 'Show that somebody is typing or recording',
    description:
      'WhatsApp shows it for some seconds, or until a message comes: ask again while it lasts, and with `paused` when nothing comes of it. Nothing is stored.',
    access: 'messages:send',
    body: Type.Object({ state: literals(presences) }),
    successDescription: 'It is shown.',
    responses: { 200: Done },
    refusals: ['INSTANCE_NOT_CONNECTED'],
    examples: { body: { state: 'composing' } },
    async handle({ caller, params, body }) {
      const { instance_id: instanceId, chat } = await conversationOf(caller, params.id)
      const gateway = await reach(instanceId)
      await gateway.showPresence(instanceId, chat, body.state)
      return reply(200, done('Presence shown'))
    },
  })
  const putAway = route({
    ...changing,
    method: 'POST',
    path: '/conversations/:id/archive',
    operationId: 'archiveConversation',
    summary: 'Archive a conversation',
    description: 'It stays archived when messages come; its messages can be read as before.',
    successDescription: 'Archived.',
    responses: { 200: envelope(Type.Object({ archived_id: Uuid, archived_at: Type.String() })) },
    examples: {
      response: ok(
        { archived_id: '550e8400-e29b-41d4-a716-446655440045', archived_at: '2025-12-29T12:00:00.000000Z' },
        'Conversation archived.',
      ),
    },
    async handle({ caller, params, request }) {
      const at = now()
      const { id, archived_at } = await change(caller, request, params.id, archive(at))
      const data = { archived_id: id, archived_at: isoMicros(archived_at ?? at) }
      return reply(200, ok(data, 'Conversation archived.'))
    },
  })
  const takeOut = route({
    ...changing,
    method: 'DELETE',
    path: '/conversations/:id/archive',
    operationId: 'restoreConversation',
    summary: 'Restore an archived conversation',
    description: 'NOT_FOUND if it is not archived; `GET /conversations/archived` lists those that are.',
    successDescription: 'Active again.',
    responses: { 200: envelope(Type.Object({ conversation_id: Uuid, restored: Type.Literal(true) })) },
    async handle({ caller, params, request }) {
      const { id } = await change(caller, request, params.id, restore(now()))
      return reply(200, ok({ conversation_id: id, restored: true }, 'Conversation restored.'))
    },
  })
  const erase = route({
    ...changing,
    method: 'DELETE',
    path: '/conversations/:id',
    operationId: 'deleteConversation',
    summary: 'Delete a conversation and its messages',
    description:
      'Gone from lists, messages and search at once, and what waits to be sent is not sent. Within seconds all that was said in it is erased: nobody can read it any more, in the log neither. The next message of the chat starts it anew, under its number.',
    successDescription: 'Deleted.',
    responses: { 200: Done },
    async handle({ caller, params, request }) {
      const { id } = await conversationOf(caller, params.id)
      await services.delete.conversation(id, contextOf(caller, request))
      return reply(200, done('Conversation deleted'))
    },
  })

  return [...[show, read, presence, putAway, takeOut].flatMap((each) => [each, inChat(each)]), erase]
}
