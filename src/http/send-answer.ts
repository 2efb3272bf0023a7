import { Type } from 'typebox'
import { literals, Uuid } from '../domain/values.ts'
import type { SentMessage } from '../write/send.ts'
import { reply } from './route.ts'
import { sendRefusals } from './sending.ts'

/** What the routes of direct sending have in common, with the token of an instance or of a user. */

export const instanceField = {
  instance_id: Type.Optional(
    Type.String({ description: 'UUID or number; needed with a user token if there are several instances' }),
  ),
}
export const queueField = {
  queue: Type.Optional(
    Type.Boolean({ description: 'Take the message while disconnected, and send it later' }),
  ),
}
export const recipientAliases = { recipient: ['number', 'to'] } as const

const sentFields = {
  success: Type.Literal(true),
  message: Type.String(),
  message_id: Type.String({ description: 'WhatsApp id' }),
  message_uuid: Uuid,
  timestamp: Type.String(),
}
const sendResponses = {
  200: Type.Object({ ...sentFields, status: literals(['sent', 'delivered', 'read', 'played']) }),
  202: Type.Object({ ...sentFields, status: Type.Literal('queued') }),
}
export const sendRoute = {
  method: 'POST',
  tag: 'Instance API',
  access: 'messages:send',
  limit: 'standard',
  refusals: sendRefusals,
  successDescription: 'WhatsApp has it; or, as 202, it is queued and will be sent.',
  responses: sendResponses,
} as const

/** `what` was sent, in the words of the answer. */
export const sentAnswer = (what: string, { whatsappId, id, at, status }: SentMessage) => {
  const fields = { success: true as const, message_id: whatsappId, message_uuid: id, timestamp: at }
  switch (status) {
    case 'queued':
      return reply(202, { ...fields, message: `${what} queued`, status })
    case 'sent':
    case 'delivered':
    case 'read':
    case 'played':
      return reply(200, { ...fields, message: `${what} sent successfully`, status })
    case 'failed':
    case 'received':
      throw new Error(`A message that was sent cannot be ${status}`)
  }
}
