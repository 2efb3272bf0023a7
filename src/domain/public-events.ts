import { Type, type Static, type TSchema } from 'typebox'
import { instanceStatuses } from './instance.ts'
import { messageStatuses } from './message.ts'
import { literals, offsetTime, SerialNumber, Uuid } from './values.ts'

const Text = Type.Union([Type.String(), Type.Null()])
const At = Type.String({ description: 'ISO 8601 with offset; the time of WhatsApp, not that of arrival' })

const MessageData = {
  message_id: Uuid,
  whatsapp_message_id: Type.String(),
  content: Text,
  media_type: Text,
  media_url: Text,
  timestamp: At,
  conversation_id: SerialNumber,
  chat_id: Type.String({ description: 'JID of the chat' }),
  is_group: Type.Boolean(),
  reply_to: Type.Union([Type.String(), Type.Null()], { description: 'WhatsApp id of the quoted message' }),
}
const ChangedData = {
  message_id: Uuid,
  whatsapp_message_id: Type.String(),
  from_me: Type.Boolean(),
  timestamp: At,
  conversation_id: SerialNumber,
}
const InstanceChange = {
  previous_status: literals(instanceStatuses),
  new_status: literals(instanceStatuses),
  phone_number: Text,
}

/** What customers and downstream services see: the data of each public event type. */
export const publicEvents = {
  'message.received': Type.Object({ ...MessageData, sender_number: Type.String(), sender_name: Text }),
  'message.sent': Type.Object({
    ...MessageData,
    recipient_number: Type.String(),
    source: literals(['api', 'phone'], {
      description: 'sent through this API, or typed on a device of the account',
    }),
  }),
  'message.status': Type.Object({
    message_id: Uuid,
    whatsapp_message_id: Type.String(),
    previous_status: literals(messageStatuses),
    new_status: literals(messageStatuses),
    recipient_number: Type.String(),
    timestamp: At,
    conversation_id: SerialNumber,
    error: Type.Optional(Type.String()),
  }),
  'message.reaction': Type.Object({
    message_id: Uuid,
    whatsapp_message_id: Type.String(),
    sender_number: Type.String(),
    sender_name: Text,
    from_me: Type.Boolean(),
    emoji: Type.String({ description: 'empty when the reaction was taken back' }),
    timestamp: At,
    conversation_id: SerialNumber,
  }),
  'message.edited': Type.Object({ ...ChangedData, content: Type.String() }),
  'message.deleted': Type.Object(ChangedData),
  'contact.update': Type.Object({
    contact_id: SerialNumber,
    contact_uuid: Uuid,
    phone_number: Type.String(),
    name: Type.Union([Type.String(), Type.Null()], { description: 'as saved by a user' }),
    push_name: Type.Union([Type.String(), Type.Null()], { description: 'as people call themselves' }),
    display_name: Type.String(),
    email: Text,
    company: Text,
    deleted: Type.Boolean(),
    timestamp: Type.String({ description: 'ISO 8601 with offset' }),
  }),
  'instance.connected': Type.Object(InstanceChange),
  'instance.disconnected': Type.Object({ ...InstanceChange, reason: Text }),
  'instance.qr': Type.Object({ qr_code_text: Type.String(), expires_at: Text }),
} as const satisfies Record<string, TSchema>

export type PublicType = keyof typeof publicEvents
export const publicTypes = Object.keys(publicEvents) as PublicType[]

/** What happened, not yet of whom. */
export type Fact = {
  [T in PublicType]: { type: T; at: string; data: Static<(typeof publicEvents)[T]> }
}[PublicType]

/** A fact as the outside sees it. Those with one key are delivered in order. */
export type PublicEvent = Fact & {
  readonly id: string
  readonly tenantId: string
  readonly instanceId: string
  /** Id of the conversation, or of the instance for what concerns the whole of it. */
  readonly key: string
  readonly correlation: string
  /** Id of the stored event that this tells of. */
  readonly causation: string
}

/** What the outside gets of a public event, beside the name that it knows it by. */
export const bodyFields = ({ instanceId, at, data }: PublicEvent) => ({
  instance_uuid: instanceId,
  timestamp: offsetTime(at),
  data,
})
