import { Type } from 'typebox'
import type { Content } from '../../domain/content.ts'
import { notFound, Refusal } from '../../domain/errors.ts'
import { mustBeChangeable, mustBeEditable } from '../../domain/message-changes.ts'
import { Message } from '../../domain/message.ts'
import { toJid } from '../../domain/values.ts'
import type { MessageRow } from '../../projections/messages.ts'
import { GivenMessage } from '../fields.ts'
import type { Finders } from '../finders.ts'
import { envelope, ok } from '../format.ts'
import type { Instances } from '../instances.ts'
import { createMediaContent, MediaFile, mediaNote } from '../media-content.ts'
import { ChatMessageView, chatMessageViews } from '../message-view.ts'
import { reply, route, type Caller, type RouteRequest } from '../route.ts'
import {
  createSending,
  mentioning,
  Mentions,
  Recipient,
  ReplyTo,
  sendRefusals,
  TEXT_MAX,
} from '../sending.ts'
import type { Services } from '../services.ts'

const common = {
  tag: 'Chat',
  reads: ['messages'],
  access: 'messages:send',
  limit: 'standard',
  refusals: ['CONFLICT', ...sendRefusals],
} as const
const params = Type.Object({ id: GivenMessage })
const successDescription = 'The message as it is now; 202: WhatsApp has not taken it yet.'
const Shown = envelope(ChatMessageView)
const responses = { 200: Shown, 202: Shown }
const InstanceId = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'UUID or number of the instance',
})

/** Sending and changing messages, each answered as a chat on a screen shows it. */
export const chatRoutes = (services: Services, instances: Instances, { messageOf }: Finders) => {
  const { db, load, freshen } = services
  const { sendContent, replyTo } = createSending(services)
  const mediaContent = createMediaContent(services)

  const shown = async (caller: Caller, id: string) => {
    await freshen('messages')
    const [view] = await chatMessageViews(db, [await messageOf(caller, id)])
    if (!view) throw notFound('Message')
    return view
  }

  /** Sends, and answers the message that this is about: the one sent, or the one that it changes. */
  const send = async (
    caller: Caller,
    request: RouteRequest,
    { instanceId, chat }: { instanceId: string; chat: string },
    content: Parameters<typeof sendContent>[3],
    about?: string,
  ) => {
    const { id, status } = await sendContent(caller, request, { instanceId, chat, queue: false }, content)
    return { status: status === 'queued' ? 202 : 200, view: await shown(caller, about ?? id) } as const
  }

  /** Sends what changes a message. */
  const signal = async (caller: Caller, request: RouteRequest, row: MessageRow, content: Content) => {
    const { body } = (await load(Message, row.id)).state
    if (!body) throw notFound('Message')
    return send(caller, request, { instanceId: row.instance_id, chat: body.chat }, content, row.id)
  }

  return [
    route({
      ...common,
      method: 'POST',
      path: '/chat/send',
      operationId: 'sendChatMessage',
      summary: 'Send a text message',
      body: Type.Object({
        instance_id: InstanceId,
        recipient: Recipient,
        message: Type.String({ minLength: 1, maxLength: TEXT_MAX }),
        reply_to: Type.Optional(ReplyTo),
        mentions: Type.Optional(Mentions),
      }),
      successDescription,
      responses,
      examples: { body: { instance_id: '18', recipient: '5521999999999', message: 'Hello from Chat API!' } },
      async handle({ caller, body, request }) {
        const chat = toJid(body.recipient, 'recipient')
        const { id: instanceId } = await instances.ofCaller(caller, body.instance_id)
        const content = {
          kind: 'text',
          text: body.message,
          ...mentioning(body.mentions),
          ...(await replyTo(instanceId, body.reply_to)),
        } as const
        const { status, view } = await send(caller, request, { instanceId, chat }, content)
        return reply(status, ok(view, 'Message sent successfully'))
      },
    }),
    route({
      ...common,
      reads: ['media', 'messages'],
      refusals: [...common.refusals, 'MEDIA_UNAVAILABLE'],
      method: 'POST',
      path: '/chat/send-media',
      operationId: 'sendChatMedia',
      summary: 'Send an image, a video, audio or a document',
      description: mediaNote,
      body: Type.Object({ instance_id: InstanceId, recipient: Recipient, ...MediaFile }),
      successDescription,
      responses,
      examples: {
        body: {
          instance_id: '18',
          recipient: '5521999999999',
          media_url: 'https://example.com/image.jpg',
          media_type: 'image',
          caption: 'Check this out!',
        },
      },
      async handle({ caller, body: { instance_id, recipient, ...file }, request }) {
        const chat = toJid(recipient, 'recipient')
        const { id: instanceId } = await instances.ofCaller(caller, instance_id)
        const content = mediaContent(caller, request, instanceId, file)
        const { status, view } = await send(caller, request, { instanceId, chat }, content)
        return reply(status, ok(view, 'Media sent successfully'))
      },
    }),
    route({
      ...common,
      method: 'PATCH',
      path: '/chat/messages/:id',
      operationId: 'editMessage',
      summary: 'Edit a text that was sent',
      description: 'WhatsApp takes edits for about 15 minutes after sending.',
      params,
      body: Type.Object({ message: Type.String({ minLength: 1, maxLength: TEXT_MAX }) }),
      successDescription,
      responses,
      examples: { body: { message: 'Updated message content' } },
      async handle({ caller, params, body, request }) {
        const row = await messageOf(caller, params.id)
        const { whatsappId: targetWhatsappId } = mustBeEditable((await load(Message, row.id)).state)
        const content = { kind: 'edit', targetWhatsappId, text: body.message } as const
        const { status, view } = await signal(caller, request, row, content)
        return reply(status, ok(view, 'Message edited successfully'))
      },
    }),
    route({
      ...common,
      method: 'DELETE',
      path: '/chat/messages/:id',
      operationId: 'deleteMessage',
      summary: 'Take back a message that was sent',
      description: 'For everybody in the chat. It stays in lists, without its content.',
      params,
      successDescription,
      responses,
      async handle({ caller, params, request }) {
        const row = await messageOf(caller, params.id)
        const { whatsappId: targetWhatsappId } = mustBeChangeable((await load(Message, row.id)).state)
        const { status, view } = await signal(caller, request, row, { kind: 'delete', targetWhatsappId })
        return reply(status, ok(view, 'Message deleted successfully'))
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/chat/messages/:id/reaction',
      operationId: 'addReaction',
      summary: 'React to a message',
      description: 'In place of the reaction that was there.',
      params,
      body: Type.Object({ emoji: Type.String({ minLength: 1, maxLength: 32, description: 'Such as 👍' }) }),
      successDescription,
      responses,
      examples: { body: { emoji: '👍' } },
      async handle({ caller, params, body, request }) {
        const row = await messageOf(caller, params.id)
        if (row.deleted_at !== null) throw new Refusal('CONFLICT', 'This message was taken back.')
        const content = { kind: 'reaction', targetWhatsappId: row.whatsapp_id, emoji: body.emoji } as const
        const { status, view } = await signal(caller, request, row, content)
        return reply(status, ok(view, 'Reaction added successfully'))
      },
    }),
    route({
      ...common,
      method: 'DELETE',
      path: '/chat/messages/:id/reaction',
      operationId: 'removeReaction',
      summary: 'Take a reaction back',
      params,
      successDescription,
      responses,
      async handle({ caller, params, request }) {
        const row = await messageOf(caller, params.id)
        const content = { kind: 'reaction', targetWhatsappId: row.whatsapp_id, emoji: '' } as const
        const { status, view } = await signal(caller, request, row, content)
        return reply(status, ok(view, 'Reaction removed successfully'))
      },
    }),
  ]
}
