import { Type } from 'typebox'
import { notFound } from '../../domain/errors.ts'
import { messageId } from '../../domain/ids.ts'
import { Instance } from '../../domain/instance.ts'
import { toJid, Uuid } from '../../domain/values.ts'
import { contextOf } from '../context.ts'
import { GivenInstance } from '../fields.ts'
import { Done, done, envelope, ok } from '../format.ts'
import {
  changeOf,
  connectionOf,
  ConnectionPayload,
  incomingOf,
  IncomingPayload,
  qrOf,
  QrPayload,
  reactionOf,
  ReactionPayload,
  receiptOf,
  StatusPayload,
} from '../hook-payloads.ts'
import type { Instances } from '../instances.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'

/** Not limited in number: a message that WhatsApp has delivered must never be refused. */
const common = {
  method: 'POST',
  tag: 'Incoming hooks',
  access: 'signed-hook',
  limit: 'none',
  params: Type.Object({ id: GivenInstance }),
  description:
    'With a bearer token, or signed: `X-Webhook-Signature` is the hex HMAC-SHA256 of the body with the `hook_secret` of the instance. Answers once the fact is stored; told again, it changes nothing.',
} as const

const messageKey = { remoteJid: '5511999999999@s.whatsapp.net', fromMe: false, id: '3EB0ABC123456789' }

/** What a gateway outside this program tells of an instance. */
export const hookRoutes = ({ receive, load }: Services, instances: Instances) => {
  /** JID of the instance's phone, if it has to be known. */
  const ownJid = async (instanceId: string, fromMe: boolean | undefined) => {
    const phone = fromMe ? (await load(Instance, instanceId)).state.phoneNumber : undefined
    return phone === undefined ? undefined : toJid(phone, 'phone_number')
  }

  return [
    route({
      ...common,
      path: '/webhooks/instance/:id/incoming',
      operationId: 'hookIncoming',
      summary: 'A message came in',
      body: IncomingPayload,
      successDescription: 'Stored.',
      responses: { 200: envelope(Type.Object({ message_id: Uuid, whatsapp_message_id: Type.String() })) },
      examples: {
        body: {
          remoteJid: messageKey.remoteJid,
          message: { conversation: 'Hello, how are you?' },
          messageTimestamp: 1705312200,
          pushName: 'John Doe',
          key: messageKey,
        },
      },
      async handle({ caller, params, body, request }) {
        const { id } = await instances.ofCaller(caller, params.id)
        const change = changeOf(body)
        if (change) {
          await receive.change(id, change, contextOf(caller, request))
          const { targetWhatsappId } = change
          const data = { message_id: messageId(id, targetWhatsappId), whatsapp_message_id: targetWhatsappId }
          return reply(200, ok(data, 'Change received'))
        }
        const incoming = incomingOf(body, await ownJid(id, body.key.fromMe))
        const stored = await receive.message(id, incoming, contextOf(caller, request))
        const data = { message_id: stored.id, whatsapp_message_id: incoming.whatsappId }
        return reply(200, ok(data, 'Message received'))
      },
    }),
    route({
      ...common,
      path: '/webhooks/instance/:id/status',
      operationId: 'hookStatus',
      summary: 'A sent message was delivered, read or played',
      body: StatusPayload,
      successDescription: 'Stored.',
      responses: { 200: Done },
      refusals: ['NOT_FOUND'],
      examples: { body: { key: { ...messageKey, fromMe: true }, status: 3, messageTimestamp: 1705312200 } },
      async handle({ caller, params, body, request }) {
        const { id } = await instances.ofCaller(caller, params.id)
        const receipt = receiptOf(body)
        if (receipt) {
          const { state } = await receive.receipt(id, receipt, contextOf(caller, request))
          if (!state.body) throw notFound('Message')
        }
        return reply(200, done('Status received'))
      },
    }),
    route({
      ...common,
      path: '/webhooks/instance/:id/qr',
      operationId: 'hookQr',
      summary: 'There is a QR code to scan',
      body: QrPayload,
      successDescription: 'Stored.',
      responses: { 200: Done },
      examples: { body: { qr: '2@ABC123...', qr_image: '...', generated_at: '2025-01-15T10:30:00Z' } },
      async handle({ caller, params, body, request }) {
        const { id } = await instances.ofCaller(caller, params.id)
        await receive.connection(id, qrOf(body), contextOf(caller, request))
        return reply(200, done('QR code received'))
      },
    }),
    route({
      ...common,
      path: '/webhooks/instance/:id/connection',
      operationId: 'hookConnection',
      summary: 'The connection changed',
      body: ConnectionPayload,
      successDescription: 'Stored.',
      responses: { 200: Done },
      examples: {
        body: { status: 'connected', phone_number: '5511999999999', timestamp: '2025-01-15T10:30:00Z' },
      },
      async handle({ caller, params, body, request }) {
        const { id } = await instances.ofCaller(caller, params.id)
        const change = connectionOf(body)
        if (change) {
          await receive.connection(id, change, contextOf(caller, request))
        }
        return reply(200, done('Connection status received'))
      },
    }),
    route({
      ...common,
      path: '/webhooks/instance/:id/reaction',
      operationId: 'hookReaction',
      summary: 'Somebody reacted to a message',
      body: ReactionPayload,
      successDescription: 'Stored.',
      responses: { 200: Done },
      examples: {
        body: {
          key: messageKey,
          reaction: { text: '👍', key: { id: '3EB0DEF987654321' } },
          senderJid: '5511888888888@s.whatsapp.net',
        },
      },
      async handle({ caller, params, body, request }) {
        const { id } = await instances.ofCaller(caller, params.id)
        const reaction = reactionOf(body, await ownJid(id, body.key.fromMe))
        await receive.reaction(id, reaction, contextOf(caller, request))
        return reply(200, done('Reaction received'))
      },
    }),
  ]
}
