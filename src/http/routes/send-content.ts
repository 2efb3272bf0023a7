import { Type } from 'typebox'
import type { Content } from '../../domain/content.ts'
import { toJid } from '../../domain/values.ts'
import {
  contactContent,
  ContactFields,
  locationContent,
  LocationFields,
  pollContent,
  PollFields,
} from '../content-bodies.ts'
import type { Instances } from '../instances.ts'
import { route, type Caller, type RouteRequest } from '../route.ts'
import { instanceField, queueField, recipientAliases, sendRoute, sentAnswer } from '../send-answer.ts'
import { createSending, Recipient, ReplyTo } from '../sending.ts'
import type { Services } from '../services.ts'

const aliases = { ...recipientAliases, reply_to: ['quoted_message_id'] } as const
const to = { recipient: Recipient }
const how = { reply_to: Type.Optional(ReplyTo), ...instanceField, ...queueField }
type Body = {
  readonly recipient: string
  readonly reply_to?: string
  readonly instance_id?: string
  readonly queue?: boolean
}

/** Direct sending of what is neither text nor a file. */
export const sendContentRoutes = (services: Services, instances: Instances) => {
  const { replyTo, sendContent } = createSending(services)

  const send = async (
    what: string,
    { caller, body, request }: { caller: Caller; body: Body; request: RouteRequest },
    contentOf: (replying: { replyTo?: string }) => Content,
  ) => {
    const chat = toJid(body.recipient, 'recipient')
    const instance = await instances.meant(caller, body.instance_id, request.host)
    const content = contentOf(await replyTo(instance.id, body.reply_to))
    const place = { instanceId: instance.id, chat, queue: body.queue }
    return sentAnswer(what, await sendContent(caller, request, place, content))
  }

  return [
    route({
      ...sendRoute,
      path: '/send-location',
      operationId: 'sendLocation',
      summary: 'Send a place',
      aliases,
      body: Type.Object({ ...to, ...LocationFields, ...how }),
      examples: {
        body: {
          recipient: '5511999999999',
          latitude: -23.5614,
          longitude: -46.6559,
          name: 'MASP',
          address: 'Av. Paulista, 1578, São Paulo',
        },
      },
      handle: (asked) => send('Location', asked, (replying) => locationContent(asked.body, replying)),
    }),
    route({
      ...sendRoute,
      path: '/send-contact',
      operationId: 'sendContact',
      summary: 'Send contacts',
      description: 'One or several. Of a `phone_number` a card is made; or give the `vcard` itself.',
      aliases,
      body: Type.Object({ ...to, ...ContactFields, ...how }),
      examples: {
        body: {
          recipient: '5511999999999',
          contacts: [{ name: 'Maria Silva', phone_number: '5511888888888' }],
        },
      },
      handle: (asked) => send('Contact', asked, (replying) => contactContent(asked.body, replying)),
    }),
    route({
      ...sendRoute,
      path: '/send-poll',
      operationId: 'sendPoll',
      summary: 'Send a poll',
      aliases,
      body: Type.Object({ ...to, ...PollFields, ...how }),
      examples: {
        body: {
          recipient: '5511999999999',
          question: 'Qual horário é melhor?',
          options: ['Manhã', 'Tarde'],
          selectable: 1,
        },
      },
      handle: (asked) => send('Poll', asked, (replying) => pollContent(asked.body, replying)),
    }),
  ]
}
