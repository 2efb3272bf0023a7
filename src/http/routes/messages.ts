import { Type, type Static } from 'typebox'
import { notFound, Refusal } from '../../domain/errors.ts'
import { instanceStatuses } from '../../domain/instance.ts'
import { literals, toJid } from '../../domain/values.ts'
import { Nullable } from '../format.ts'
import type { Instances } from '../instances.ts'
import { createMediaContent, MediaFile, mediaNote } from '../media-content.ts'
import { reply, route, type Caller, type RouteRequest } from '../route.ts'
import { instanceField, queueField, recipientAliases, sendRoute, sentAnswer } from '../send-answer.ts'
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

const tag = 'Instance API'

const MediaBody = Type.Object({
  recipient: Recipient,
  ...MediaFile,
  reply_to: Type.Optional(ReplyTo),
  mentions: Type.Optional(Mentions),
  ...instanceField,
  ...queueField,
})
const mediaRoute = {
  ...sendRoute,
  refusals: [...sendRefusals, 'MEDIA_UNAVAILABLE'],
  reads: ['media'],
  summary: 'Send an image, a video, audio or a document',
  description: mediaNote,
  body: MediaBody,
  examples: {
    body: {
      recipient: '5511999999999',
      media_url: 'https://example.com/image.jpg',
      media_type: 'image',
      caption: 'Confira esta imagem!',
    },
  },
} as const

/** Direct sending, with the token of an instance or of a user. */
export const messageRoutes = (services: Services, instances: Instances) => {
  const { db } = services
  const { whatsappIdOf, replyTo, sendContent } = createSending(services)
  const mediaContent = createMediaContent(services)

  const sendMedia = async (
    caller: Caller,
    request: RouteRequest,
    { recipient, instance_id, reply_to, mentions, queue, ...file }: Static<typeof MediaBody>,
  ) => {
    const chat = toJid(recipient, 'recipient')
    const instance = await instances.meant(caller, instance_id, request.host)
    const fields = { ...file, ...mentioning(mentions), ...(await replyTo(instance.id, reply_to)) }
    const content = mediaContent(caller, request, instance.id, fields)
    return sentAnswer(
      'Media',
      await sendContent(caller, request, { instanceId: instance.id, chat, queue }, content),
    )
  }

  return [
    route({
      ...sendRoute,
      path: '/send-message',
      operationId: 'sendMessage',
      summary: 'Send a text message',
      description:
        'Waits for WhatsApp to take it. With the header `Idempotency-Key`, the same request can be repeated and sends once.',
      aliases: { ...recipientAliases, reply_to: ['quoted_message_id'] },
      body: Type.Object({
        recipient: Recipient,
        message: Type.String({ minLength: 1, maxLength: TEXT_MAX, description: 'Text' }),
        reply_to: Type.Optional(ReplyTo),
        mentions: Type.Optional(Mentions),
        ...instanceField,
        ...queueField,
      }),
      examples: { body: { recipient: '5511999999999', message: 'Olá! Esta é uma mensagem de teste.' } },
      async handle({ caller, body, request }) {
        const chat = toJid(body.recipient, 'recipient')
        const instance = await instances.meant(caller, body.instance_id, request.host)
        const content = {
          kind: 'text',
          text: body.message,
          ...mentioning(body.mentions),
          ...(await replyTo(instance.id, body.reply_to)),
        } as const
        const to = { instanceId: instance.id, chat, queue: body.queue }
        return sentAnswer('Message', await sendContent(caller, request, to, content))
      },
    }),
    route({
      ...mediaRoute,
      path: '/send-media',
      operationId: 'sendMedia',
      aliases: {
        ...recipientAliases,
        media_url: ['url'],
        media_type: ['type'],
        reply_to: ['quoted_message_id'],
      },
      handle: ({ caller, body, request }) => sendMedia(caller, request, body),
    }),
    route({
      ...mediaRoute,
      path: '/messages/send-media',
      operationId: 'sendMediaMessage',
      aliases: { ...recipientAliases, reply_to: ['quoted_message_id'] },
      handle: ({ caller, body, request }) => sendMedia(caller, request, body),
    }),
    route({
      ...sendRoute,
      path: '/send-reaction',
      operationId: 'sendReaction',
      summary: 'React to a message',
      description: 'An empty emoji takes the reaction back.',
      aliases: { to: ['recipient', 'number'], messageId: ['message_id'] },
      body: Type.Object({
        to: Recipient,
        messageId: Type.String({ minLength: 1, maxLength: 100, description: 'Message to react to' }),
        emoji: Type.String({ maxLength: 32, description: 'Such as 👍' }),
        ...instanceField,
        ...queueField,
      }),
      examples: {
        body: { to: '5511999999999@s.whatsapp.net', messageId: '3EB0B430A8B7F23C1D12', emoji: '👍' },
      },
      async handle({ caller, body, request }) {
        const chat = toJid(body.to, 'to')
        const instance = await instances.meant(caller, body.instance_id, request.host)
        const targetWhatsappId = await whatsappIdOf(instance.id, body.messageId, 'messageId')
        const content = { kind: 'reaction', targetWhatsappId, emoji: body.emoji } as const
        const to = { instanceId: instance.id, chat, queue: body.queue }
        return sentAnswer('Reaction', await sendContent(caller, request, to, content))
      },
    }),
    route({
      method: 'GET',
      path: '/status',
      operationId: 'getStatus',
      tag,
      reads: ['instances'],
      summary: 'Connection of the instance of this token',
      access: 'instances:read',
      limit: 'standard',
      query: Type.Object(instanceField),
      successDescription: 'The connection.',
      responses: {
        200: Type.Object({
          success: Type.Literal(true),
          status: literals(instanceStatuses),
          phone: Nullable,
          name: Nullable,
          platform: Type.String(),
        }),
      },
      refusals: ['INSTANCE_REQUIRED'],
      async handle({ caller, query, request }) {
        const row = await instanceRow(caller, query.instance_id, request)
        const { status, phone_number: phone, profile_name: name, provider: platform } = row
        return reply(200, { success: true, status, phone, name, platform })
      },
    }),
    route({
      method: 'GET',
      path: '/qr',
      operationId: 'getQr',
      tag,
      reads: ['instances'],
      summary: 'QR code of the instance of this token',
      description: 'Only while its status is qr_ready.',
      access: 'instances:write',
      limit: 'standard',
      query: Type.Object(instanceField),
      successDescription: 'The text to show as a QR code.',
      responses: {
        200: Type.Object({
          success: Type.Literal(true),
          qr: Type.String(),
          status: literals(instanceStatuses),
        }),
      },
      refusals: ['INSTANCE_REQUIRED', 'QR_NOT_AVAILABLE'],
      async handle({ caller, query, request }) {
        const { qr, status } = await instanceRow(caller, query.instance_id, request)
        if (qr === null || status !== 'qr_ready')
          throw new Refusal('QR_NOT_AVAILABLE', `There is no QR code to scan: the instance is ${status}.`, {
            status,
          })
        return reply(200, { success: true, qr, status })
      },
    }),
  ]

  async function instanceRow(caller: Caller, ref: string | undefined, request: RouteRequest) {
    const { id } = await instances.meant(caller, ref, request.host)
    const row = await db.selectFrom('instance').selectAll().where('id', '=', id).executeTakeFirst()
    if (!row) throw notFound('Instance')
    return row
  }
}
