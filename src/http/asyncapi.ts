import { publicTypes, type PublicType } from '../domain/public-events.ts'
import { topicNames, topics } from '../domain/public-record.ts'
import type { Settings } from '../settings.ts'
import { deadLetterMessage, recordMessage, webhookMessage } from './asyncapi-messages.ts'
import { plain } from './openapi.ts'

export type AboutEvents = Pick<Settings, 'kafkaBrokers' | 'kafkaPrefix' | 'kafkaTls'> & {
  readonly version: string
}
type Fields = Record<string, unknown>

/** The AsyncAPI 3.0 document of the public events, as a plain JSON value: what this deployment tells, and where. */
export const asyncapi = (about: AboutEvents): unknown => {
  const kafka = about.kafkaBrokers.length > 0 ? kafkaParts(about) : undefined
  return plain({
    asyncapi: '3.0.0',
    info: {
      title: 'Zapini events',
      version: about.version,
      description: `${introduction}\n\n${kafka ? withKafka : withoutKafka}`,
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: { ...kafka?.servers, receiver },
    channels: { ...kafka?.channels, webhooks },
    operations: { ...kafka?.operations, 'deliver-webhooks': deliverWebhooks },
    components: { messages: { ...kafka?.messages, ...named(publicTypes, webhookName, webhookMessage) } },
  })
}

const introduction = `What happens, told to other systems. \`GET /events\` of the API tells the same as server-sent events.

- **At least once.** An event may come again, after a fault on either side; its id is the same each time. Remember the
  ids that were handled.
- **In order.** A webhook about a conversation waits for the one before it.
- **Nothing is told before it is stored**, and nothing of what is stored is left out.
- **Fields and types are added without notice.** Ignore those that you do not know.`

const withKafka = `Records in Kafka:

- The key is what the event is about: a conversation or an instance. Records of one key are in one partition of their
  topic, in the order in which they happened.
- The header \`event-id\` is the \`id\` of the record.
- What would break a reader raises \`version\`.
- The topics hold the events of all tenants; \`tenant_id\` says whose an event is.`

const withoutKafka =
  'This deployment has no Kafka. Once it is given brokers, this document describes its topics, too.'

const ref = (...path: readonly string[]): Fields => ({ $ref: ['#', ...path].join('/') })

/** Something for each type, by a name. */
const named = (
  types: readonly PublicType[],
  nameOf: (type: PublicType) => string,
  make: (type: PublicType) => Fields,
): Fields => Object.fromEntries(types.map((type) => [nameOf(type), make(type)]))

const recordName = (type: PublicType) => type
const webhookName = (type: PublicType) => `webhook.${type}`

/** References to messages, which are kept among the components. */
const messages = (types: readonly PublicType[], nameOf: (type: PublicType) => string): Fields =>
  named(types, nameOf, (type) => ref('components', 'messages', nameOf(type)))

/** The addresses of the brokers are for this server's own network, so they stay out: this document may be public. */
const kafkaParts = ({ kafkaPrefix, kafkaTls }: AboutEvents) => {
  const servers = [ref('servers', 'kafka')]
  return {
    servers: {
      kafka: {
        host: '{broker}',
        protocol: kafkaTls ? 'kafka-secure' : 'kafka',
        description: 'The Kafka of this deployment. Its operator gives addresses, and the right to read.',
        variables: {
          broker: { description: 'Host and port of a broker.', default: 'kafka.example.com:9092' },
        },
      },
    },
    channels: {
      ...Object.fromEntries(
        topicNames.map((topic) => [
          topic,
          {
            address: `${kafkaPrefix}.${topic}`,
            title: `Topic of ${topic}`,
            description: 'Each record is one event.',
            servers,
            messages: messages(topics[topic], recordName),
          },
        ]),
      ),
      'dead-letters': {
        address: `${kafkaPrefix}.dead-letters`,
        title: 'Topic of dead letters',
        description: 'Records of the other topics that could not be read when webhooks were made of them.',
        servers,
        messages: { 'dead-letter': ref('components', 'messages', 'dead-letter') },
      },
    },
    operations: {
      ...Object.fromEntries(
        topicNames.map((topic) => [
          `publish-${topic}`,
          { action: 'send', channel: ref('channels', topic), summary: `Tells what happens: ${topic}.` },
        ]),
      ),
      'park-dead-letters': {
        action: 'send',
        channel: ref('channels', 'dead-letters'),
        summary: 'Puts a record aside, as it is.',
      },
    },
    messages: { ...named(publicTypes, recordName, recordMessage), 'dead-letter': deadLetterMessage },
  }
}

const receiver: Fields = {
  host: '{host}',
  protocol: 'https',
  description: 'Your server, at the URL that `PUT /instances/{id}/webhook` sets.',
  variables: { host: { description: 'Host of that URL.', default: 'example.com' } },
}

const webhooks: Fields = {
  address: null,
  title: 'Webhooks',
  description: 'Each `POST` is one event, to the URL that an instance was given.',
  servers: [ref('servers', 'receiver')],
  messages: messages(publicTypes, webhookName),
}

const deliverWebhooks: Fields = {
  action: 'send',
  channel: ref('channels', 'webhooks'),
  summary: 'Posts an event, again and again until the receiver takes it.',
  bindings: { http: { method: 'POST', bindingVersion: '0.3.0' } },
}
