import { Type, type Static, type TSchema } from 'typebox'
import { publicEvents, publicTypes, type PublicEvent, type PublicType } from './public-events.ts'
import { literals, offsetTime } from './values.ts'

/** Version of the shapes below; a change that readers have to know of raises it. */
const RECORD_VERSION = 1

const Envelope = Type.Object({
  id: Type.String({
    format: 'uuid',
    description:
      'The same each time that the event is told. Events may come again: skip those with a known id.',
  }),
  version: Type.Literal(RECORD_VERSION, { description: 'Version of this shape' }),
  tenant_id: Type.String({ format: 'uuid', description: 'Whose event it is' }),
  instance_uuid: Type.String({ format: 'uuid', description: 'The instance that it happened at' }),
  key: Type.String({
    format: 'uuid',
    description:
      'What the event is about: a conversation, a contact or an instance. Events of one key are in one topic and come in order.',
  }),
  timestamp: Type.String({ description: 'ISO 8601 with offset; the time of WhatsApp, not that of arrival' }),
  correlation_id: Type.String({ description: 'Joins all that one request or one incoming message led to' }),
  causation_id: Type.String({ description: 'Id of the stored event that this tells of' }),
  position: Type.Optional(
    Type.String({
      pattern: '^[0-9]{1,19}$',
      description: 'Place of that event in the log: a whole number, higher for what was stored later',
    }),
  ),
})

/** A public event as it stands in a topic. */
export type PublicRecord = {
  [T in PublicType]: Static<typeof Envelope> & {
    readonly type: T
    readonly data: Static<(typeof publicEvents)[T]>
  }
}[PublicType]

/** The schema of the records of one type. */
export const recordSchema = (type: PublicType): TSchema =>
  Type.Object({ type: Type.Literal(type), ...Envelope.properties, data: publicEvents[type] })

export const recordOf = ({
  at,
  tenantId,
  instanceId,
  correlation,
  causation,
  ...fact
}: PublicEvent): PublicRecord => ({
  ...fact,
  version: RECORD_VERSION,
  tenant_id: tenantId,
  instance_uuid: instanceId,
  timestamp: offsetTime(at),
  correlation_id: correlation,
  causation_id: causation,
})

export const eventOfRecord = ({
  version: _version,
  tenant_id: tenantId,
  instance_uuid: instanceId,
  timestamp: at,
  correlation_id: correlation,
  causation_id: causation,
  ...fact
}: PublicRecord): PublicEvent => ({ ...fact, at, tenantId, instanceId, correlation, causation })

/** What stands in the headers of a record as well, for those who choose by it before they read the value. */
export const RecordHeaders = Type.Object({
  'event-id': Type.String({ format: 'uuid', description: '`id`' }),
  'event-type': literals(publicTypes, { description: '`type`' }),
  'schema-version': Type.String({ pattern: '^[0-9]+$', description: '`version`' }),
  'tenant-id': Type.String({ format: 'uuid', description: '`tenant_id`' }),
  'correlation-id': Type.String({ description: '`correlation_id`' }),
  'causation-id': Type.String({ description: '`causation_id`' }),
  'content-type': Type.Literal('application/json'),
})

export const headersOf = (record: PublicRecord): Static<typeof RecordHeaders> => ({
  'event-id': record.id,
  'event-type': record.type,
  'schema-version': String(record.version),
  'tenant-id': record.tenant_id,
  'correlation-id': record.correlation_id,
  'causation-id': record.causation_id,
  'content-type': 'application/json',
})

/** The topics, each with what it carries. */
export const topics = {
  messages: [
    'message.received',
    'message.sent',
    'message.status',
    'message.reaction',
    'message.edited',
    'message.deleted',
  ],
  contacts: ['contact.update'],
  instances: ['instance.connected', 'instance.disconnected', 'instance.qr'],
} as const satisfies Record<string, readonly PublicType[]>
export type Topic = keyof typeof topics
export const topicNames = Object.keys(topics) as Topic[]

const topicByType = new Map<PublicType, Topic>(
  topicNames.flatMap((topic) => topics[topic].map((type) => [type, topic] as const)),
)
export const topicOf = (type: PublicType): Topic => {
  const topic = topicByType.get(type)
  if (!topic) throw new Error(`${type} has no topic`)
  return topic
}
