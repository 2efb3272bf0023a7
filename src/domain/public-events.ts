import { Type, type Static, type TSchema } from 'typebox'
import { contentDetails } from './content-details.ts'
import { mediaMissingReasons } from './content.ts'
import { instanceStatuses } from './instance.ts'
import { messageStatuses } from './message.ts'
import { literals, offsetTime, SerialNumber, Uuid } from './values.ts'

const text = (description: string) => Type.String({ description })
const maybe = (description: string) => Type.Union([Type.String(), Type.Null()], { description })
const At = text('ISO 8601 with offset; the time of WhatsApp, not that of arrival')
const ConversationId = Type.Integer({ ...SerialNumber, description: 'number of the conversation' })
const RecipientNumber = text('digits of the person, or id of the group, that it went to')

const MessageRef = {
  message_id: Type.String({ ...Uuid, description: 'UUID of the message' }),
  whatsapp_message_id: text('its id at WhatsApp'),
}
const MessageData = {
  ...MessageRef,
  content: maybe('text; the caption of a file, the name of a place or a contact, the question of a poll'),
  media_type: maybe('kind of file, such as `image`; null for everything else'),
  media_url: maybe('where the file is, if its address is known'),
  media_missing: Type.Optional(
    literals(mediaMissingReasons, { description: 'why the file that came with the message is not here' }),
  ),
  location: Type.Optional(contentDetails.location),
  contacts: Type.Optional(contentDetails.contacts),
  poll: Type.Optional(contentDetails.poll),
  other: Type.Optional(contentDetails.other),
  timestamp: At,
  conversation_id: ConversationId,
  chat_id: text('JID of the chat'),
  is_group: Type.Boolean({ description: 'whether the chat is that of a group' }),
  reply_to: maybe('WhatsApp id of the quoted message'),
}
const ChangedData = {
  ...MessageRef,
  from_me: Type.Boolean({ description: 'whether the account itself did it' }),
  timestamp: At,
  conversation_id: ConversationId,
}
const Sender = {
  sender_number: text('digits of the person; in a group, of the author'),
  sender_name: maybe('as people call themselves'),
}
const InstanceChange = {
  previous_status: literals(instanceStatuses, { description: 'what the instance was before' }),
  new_status: literals(instanceStatuses, { description: 'what it is now' }),
  phone_number: maybe('number of the account, once it is known'),
}

/** What customers and downstream services see: the data of each public event type. */
export const publicEvents = {
  'message.received': Type.Object({ ...MessageData, ...Sender }, { description: 'A message came in.' }),
  'message.sent': Type.Object(
    {
      ...MessageData,
      recipient_number: RecipientNumber,
      source: literals(['api', 'phone'], {
        description: 'sent through this API, or typed on a device of the account',
      }),
    },
    { description: 'WhatsApp took a message of ours, or the account’s owner typed one on a phone.' },
  ),
  'message.status': Type.Object(
    {
      ...MessageRef,
      previous_status: literals(messageStatuses, { description: 'what the message was before' }),
      new_status: literals(messageStatuses, { description: 'what it is now' }),
      recipient_number: RecipientNumber,
      timestamp: At,
      conversation_id: ConversationId,
      error: Type.Optional(text('why it failed, with the status `failed`')),
    },
    { description: 'A message of ours was delivered, read or played, or failed.' },
  ),
  'message.reaction': Type.Object(
    {
      message_id: MessageRef.message_id,
      whatsapp_message_id: text('WhatsApp id of the message reacted to'),
      ...Sender,
      from_me: Type.Boolean({ description: 'whether the account itself reacted' }),
      emoji: text('empty when the reaction was taken back'),
      timestamp: At,
      conversation_id: ConversationId,
    },
    { description: 'Somebody reacted to a message, or took a reaction back.' },
  ),
  'message.edited': Type.Object(
    { ...ChangedData, content: text('its text from now on') },
    { description: 'The author gave a message another text.' },
  ),
  'message.deleted': Type.Object(ChangedData, { description: 'The author took a message back.' }),
  'contact.update': Type.Object(
    {
      contact_id: Type.Integer({ ...SerialNumber, description: 'number of the contact' }),
      contact_uuid: Type.String({ ...Uuid, description: 'UUID of the contact' }),
      phone_number: text('digits of the person; empty for a contact that was deleted'),
      name: maybe('as saved by a user'),
      push_name: maybe('as people call themselves'),
      display_name: text('the name to show: the first there is of those two and the number'),
      email: maybe('as saved by a user'),
      company: maybe('as saved by a user'),
      deleted: Type.Boolean({ description: 'whether the contact is gone: deleted, or part of another one' }),
      timestamp: text('ISO 8601 with offset'),
    },
    { description: 'A contact was learned, saved, changed or deleted: what is known of the person now.' },
  ),
  'instance.connected': Type.Object(InstanceChange, { description: 'An instance reached WhatsApp.' }),
  'instance.disconnected': Type.Object(
    { ...InstanceChange, reason: maybe('in plain words, if it is known') },
    { description: 'An instance is without WhatsApp.' },
  ),
  'instance.qr': Type.Object(
    {
      qr_code_text: text('what the QR code says, to be drawn'),
      expires_at: maybe('ISO 8601 with offset; until when the code is good, if that is known'),
    },
    { description: 'A QR code waits to be scanned, to pair an instance with a phone.' },
  ),
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
  /** Id of the conversation or the contact, or of the instance for what concerns the whole of it. */
  readonly key: string
  readonly correlation: string
  /** Id of the stored event that this tells of. */
  readonly causation: string
  /** Place of that event in the log, as a decimal number; of those told before places were, it is not known. */
  readonly position?: string
}

/** What the outside gets of a public event, beside the name that it knows it by. */
export const bodyFields = ({ instanceId, at, data }: PublicEvent) => ({
  instance_uuid: instanceId,
  timestamp: offsetTime(at),
  data,
})
