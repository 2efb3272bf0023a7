import { Type } from 'typebox'
import type { Content } from '../domain/content.ts'
import { invalid } from '../domain/errors.ts'
import { messageId } from '../domain/ids.ts'
import { Message } from '../domain/message.ts'
import type { PrepareContent } from '../write/send.ts'
import { contextOf } from './context.ts'
import { isUuid, toPerson } from '../domain/values.ts'
import type { Caller, RouteRequest } from './route.ts'
import type { Services } from './services.ts'

/** What all calls that send have in common. */

export const TEXT_MAX = 65_536
const KEY_MAX = 255

export const sendRefusals = [
  'INSTANCE_REQUIRED',
  'INSTANCE_NOT_CONNECTED',
  'IDEMPOTENCY_KEY_REUSED',
  'AUTOMATION_ACTIVE',
  'SEND_FAILED',
  'QUOTA_EXCEEDED',
] as const

export const Recipient = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'WhatsApp number with country code (5511999999999), or a JID',
})
export const ReplyTo = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'Message to reply to: its UUID or WhatsApp id',
})
export const Mentions = Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
  maxItems: 1024,
  description:
    'People to mention, as numbers or JIDs. WhatsApp shows a mention where the text has the number after an @; who is not in the text is named at its end',
})

/** The part of a content that says who is mentioned. */
export const mentioning = (people: readonly string[] | undefined): { mentions?: string[] } =>
  people === undefined ? {} : { mentions: people.map((person, n) => toPerson(person, `mentions.${n}`)) }

export const createSending = ({ load, send }: Services) => {
  const whatsappIdIn = async (instanceId: string, id: string, field: string): Promise<string> => {
    const { body } = (await load(Message, id)).state
    if (body?.instanceId !== instanceId) throw invalid(field, 'is not a message of this instance')
    return body.whatsappId
  }

  /** A WhatsApp id, whichever of our ids the caller gave. */
  const whatsappIdOf = async (instanceId: string, ref: string, field: string): Promise<string> =>
    isUuid(ref) ? whatsappIdIn(instanceId, ref.toLowerCase(), field) : ref

  /** The part of a content that says what it replies to: WhatsApp shows that, so that it has to be known. */
  const replyTo = async (instanceId: string, ref: string | undefined) => {
    if (ref === undefined) return {}
    const id = isUuid(ref) ? ref.toLowerCase() : messageId(instanceId, ref)
    return { replyTo: await whatsappIdIn(instanceId, id, 'reply_to') }
  }

  /** Sends for a caller, once for each Idempotency-Key. */
  const sendContent = (
    caller: Caller,
    request: RouteRequest,
    to: { instanceId: string; chat: string; queue: boolean | undefined },
    content: Content | PrepareContent,
  ) => {
    const idempotencyKey = request.header('idempotency-key')
    if (idempotencyKey !== undefined && (idempotencyKey === '' || idempotencyKey.length > KEY_MAX))
      throw invalid('Idempotency-Key', `must have 1 to ${KEY_MAX} characters`)
    return send({
      instanceId: to.instanceId,
      chat: to.chat,
      content,
      queueIfOffline: to.queue ?? false,
      idempotencyKey,
      context: contextOf(caller, request),
    })
  }

  return { whatsappIdOf, replyTo, sendContent }
}
