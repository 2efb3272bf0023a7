import { Contact, nameOf, type ContactEvent, type Person } from './contact.ts'
import { isMedia, isSignal, textOf } from './content.ts'
import { detailsOf } from './content-details.ts'
import { idOfStream } from './decider.ts'
import { publicEventId } from './ids.ts'
import type { Instance, InstanceEvent } from './instance.ts'
import { isErased, type Message, type MessageEvent } from './message.ts'
import type { Metadata } from './metadata.ts'
import type { Fact, PublicEvent } from './public-events.ts'
import { isGroup, numberOf, offsetTime } from './values.ts'

type Source<E> = E & {
  readonly id: string
  readonly stream: string
  readonly meta: Metadata
  readonly position?: bigint
}

const publish = (
  source: Source<object>,
  instanceId: string,
  key: string,
  facts: readonly Fact[],
): PublicEvent[] =>
  facts.map((fact, n) => ({
    ...fact,
    id: publicEventId(source.id, n),
    tenantId: source.meta.tenant,
    instanceId,
    key,
    correlation: source.meta.correlation,
    causation: source.id,
    ...(source.position !== undefined && { position: String(source.position) }),
  }))

const bodyOf = (id: string, body: NonNullable<Message['body']>) => ({
  message_id: id,
  whatsapp_message_id: body.whatsappId,
  content: textOf(body.content),
  media_type: isMedia(body.content) ? body.content.kind : null,
  media_url: isMedia(body.content) ? (body.content.url ?? null) : null,
  ...(isMedia(body.content) &&
    body.content.mediaMissing !== undefined && { media_missing: body.content.mediaMissing }),
  ...detailsOf(body.content),
  timestamp: offsetTime(body.at),
  conversation_id: body.conversationNumber,
  chat_id: body.chat,
  is_group: isGroup(body.chat),
  reply_to: 'replyTo' in body.content ? (body.content.replyTo ?? null) : null,
})

/** The public events of a message event, given the message as it was before it. Of one that is erased nothing is left to tell. */
export const tellOfMessage = (before: Message, source: Source<MessageEvent>): PublicEvent[] =>
  isErased(before)
    ? []
    : publish(source, source.data.instanceId, source.data.conversationId, messageFacts(before, source))

/** What was said and done before the pairing is no news. */
const messageFacts = (before: Message, source: Source<MessageEvent>): Fact[] => {
  if ('past' in source.data && source.data.past) return []
  const id = idOfStream(source.stream)
  const { type, data } = source
  switch (type) {
    case 'MessageQueued':
      return []
    case 'MessageReceived': {
      if (data.importedAt !== undefined) return []
      const sender = { sender_number: numberOf(data.sender), sender_name: data.senderName ?? null }
      return [{ type: 'message.received', at: data.at, data: { ...bodyOf(id, data), ...sender } }]
    }
    case 'MessageSentFromPhone':
      return data.importedAt === undefined ? [sent(id, data, 'phone', data.at)] : []
    case 'MessageSent':
      return before.body && !isSignal(before.body.content) ? [sent(id, before.body, 'api', data.at)] : []
    case 'MessageDelivered':
      return status(id, before, 'delivered', data.at)
    case 'MessageRead':
      return status(id, before, 'read', data.at)
    case 'MessagePlayed':
      return status(id, before, 'played', data.at)
    case 'MessageFailed':
      return status(id, before, 'failed', data.at, data.reason)
    case 'MessageReacted':
      return [
        {
          type: 'message.reaction',
          at: data.at,
          data: {
            message_id: id,
            whatsapp_message_id: data.targetWhatsappId,
            sender_number: numberOf(data.by),
            sender_name: data.byName ?? null,
            from_me: data.fromMe,
            emoji: data.emoji,
            timestamp: offsetTime(data.at),
            conversation_id: data.conversationNumber,
          },
        },
      ]
    case 'MessageEdited':
      return before.body
        ? [
            {
              type: 'message.edited',
              at: data.at,
              data: { ...changed(id, before.body, data), content: data.text },
            },
          ]
        : []
    case 'MessageDeleted':
      return before.body
        ? [{ type: 'message.deleted', at: data.at, data: changed(id, before.body, data) }]
        : []
  }
}

const changed = (
  id: string,
  body: NonNullable<Message['body']>,
  { fromMe, at }: { readonly fromMe: boolean; readonly at: string },
) => ({
  message_id: id,
  whatsapp_message_id: body.whatsappId,
  from_me: fromMe,
  timestamp: offsetTime(at),
  conversation_id: body.conversationNumber,
})

const sent = (id: string, body: NonNullable<Message['body']>, source: 'api' | 'phone', at: string): Fact => ({
  type: 'message.sent',
  at,
  data: { ...bodyOf(id, body), timestamp: offsetTime(at), recipient_number: numberOf(body.chat), source },
})

const status = (
  id: string,
  { body, status: before }: Message,
  after: NonNullable<Message['status']>,
  at: string,
  error?: string,
): Fact[] =>
  body && before && !isSignal(body.content)
    ? [
        {
          type: 'message.status',
          at,
          data: {
            message_id: id,
            whatsapp_message_id: body.whatsappId,
            previous_status: before,
            new_status: after,
            recipient_number: numberOf(body.chat),
            timestamp: offsetTime(at),
            conversation_id: body.conversationNumber,
            ...(error !== undefined && { error }),
          },
        },
      ]
    : []

/** The public events of a contact event, given the contact as it was before it. In order with the chat's messages. */
export const tellOfContact = (before: Contact, source: Source<ContactEvent>): PublicEvent[] => {
  const { number, person: known = before.person } = Contact.evolve(before, source)
  if (!known || number === undefined) return []
  const person = source.type === 'ContactDeleted' ? nobody(known) : known
  const { instanceId, jid, pushName, details } = person
  const data = {
    contact_id: number,
    contact_uuid: idOfStream(source.stream),
    phone_number: numberOf(jid),
    name: details.name ?? null,
    push_name: pushName ?? null,
    display_name: nameOf(person) ?? numberOf(jid),
    email: details.email ?? null,
    company: details.company ?? null,
    // What became part of another contact is gone under its own id.
    deleted: source.type === 'ContactDeleted' || source.type === 'ContactMerged',
    timestamp: offsetTime(source.data.at),
  }
  const fact = { type: 'contact.update', at: source.data.at, data } as const
  return publish(source, instanceId, idOfStream(source.stream), [fact])
}

/** Of somebody who was deleted, nobody is told more than which contact it was. */
const nobody = ({ instanceId, saved, createdAt }: Person): Person => ({
  instanceId,
  jid: '',
  details: {},
  saved,
  createdAt,
})

/** The public events of an instance event, given the instance as it was before it. */
export const tellOfInstance = (before: Instance, source: Source<InstanceEvent>): PublicEvent[] => {
  const id = idOfStream(source.stream)
  return publish(source, id, id, instanceFacts(before, source))
}

const instanceFacts = (before: Instance, { type, data }: InstanceEvent): Fact[] => {
  switch (type) {
    case 'InstanceConnected':
      return [
        {
          type: 'instance.connected',
          at: data.at,
          data: { previous_status: before.status, new_status: 'connected', phone_number: data.phoneNumber },
        },
      ]
    case 'InstanceDisconnected':
      return [
        {
          type: 'instance.disconnected',
          at: data.at,
          data: {
            previous_status: before.status,
            new_status: data.status,
            phone_number: before.phoneNumber ?? null,
            reason: data.reason ?? null,
          },
        },
      ]
    case 'InstanceQrIssued':
      return [
        {
          type: 'instance.qr',
          at: data.at,
          data: { qr_code_text: data.qr, expires_at: data.expiresAt ? offsetTime(data.expiresAt) : null },
        },
      ]
    case 'InstanceCreated':
    case 'InstanceOpened':
    case 'InstanceClosed':
    case 'InstanceRenamed':
    case 'InstanceDailyLimitSet':
    case 'InstanceAssigned':
    case 'InstanceDeleted':
      return []
  }
}
