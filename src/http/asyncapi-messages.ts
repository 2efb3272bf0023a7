import { Type, type TSchema } from 'typebox'
import { publicExamples } from '../domain/public-examples.ts'
import { bodyFields, publicEvents, type PublicType } from '../domain/public-events.ts'
import { headersOf, RecordHeaders, recordOf, recordSchema } from '../domain/public-record.ts'
import { signedHeaders } from '../domain/sign.ts'
import { literals, Uuid } from '../domain/values.ts'
import { subscribable, subscribedNames } from '../domain/webhook.ts'

type Fields = Record<string, unknown>

const exampleOf = (type: PublicType) => {
  const example = publicExamples.find((event) => event.type === type)
  if (!example) throw new Error(`${type} has no example`)
  return example
}

const summaryOf = (type: PublicType) => {
  const schema: TSchema = publicEvents[type]
  return 'description' in schema ? schema.description : undefined
}

/** A public event in a topic, for AsyncAPI. */
export const recordMessage = (type: PublicType): Fields => {
  const record = recordOf(exampleOf(type))
  return {
    name: type,
    title: type,
    summary: summaryOf(type),
    headers: RecordHeaders,
    payload: recordSchema(type),
    correlationId: { location: '$message.header#/correlation-id' },
    bindings: {
      kafka: {
        key: { type: 'string', format: 'uuid', description: 'The `key` of the record' },
        bindingVersion: '0.5.0',
      },
    },
    examples: [{ name: type, headers: headersOf(record), payload: record }],
  }
}

const WebhookHeaders = Type.Object({
  'Content-Type': Type.Literal('application/json'),
  'User-Agent': Type.String(),
  'X-Webhook-Event': Type.String({ description: '`event` of the body' }),
  'X-Instance-UUID': Type.String({ format: 'uuid', description: '`instance_uuid` of the body' }),
  'X-Webhook-Redelivery': Type.Optional(
    Type.Literal('true', { description: 'Set where it is delivered again because somebody asked for it' }),
  ),
  'X-Webhook-Signature': Type.String({
    description: 'HMAC-SHA256 of the body’s bytes with the secret of the endpoint, hex',
  }),
  'webhook-id': Type.String({ format: 'uuid', description: 'Id of the event, the same in every attempt' }),
  'webhook-timestamp': Type.String({ description: 'Time of this attempt, in Unix seconds' }),
  'webhook-signature': Type.String({
    description: 'Signature of id, timestamp and body, as Standard Webhooks has it',
  }),
})

/** The names by which endpoints can subscribe to a type. */
const namesOf = (type: PublicType) => subscribable.filter((name) => type in subscribedNames([name]))

const webhookBody = (type: PublicType) =>
  Type.Object({
    event: literals([...namesOf(type)], { description: 'The name that the endpoint subscribed to' }),
    instance_uuid: Uuid,
    timestamp: Type.String({
      description: 'ISO 8601 with offset; the time of WhatsApp, not that of arrival',
    }),
    data: publicEvents[type],
  })

/** A public event as a webhook, for AsyncAPI. */
export const webhookMessage = (type: PublicType): Fields => {
  const example = exampleOf(type)
  const payload = { event: type, ...bodyFields(example) }
  const { id, instanceId, at } = example
  const signed = { id, event: type, instanceId, body: JSON.stringify(payload), secret: 'your_webhook_secret' }
  return {
    name: type,
    title: type,
    summary: summaryOf(type),
    headers: WebhookHeaders,
    payload: webhookBody(type),
    examples: [{ name: type, headers: signedHeaders(signed, new Date(at)), payload }],
  }
}

/** A record that could not be read, for AsyncAPI. */
export const deadLetterMessage: Fields = {
  name: 'dead-letter',
  title: 'Dead letter',
  summary: 'A record as it was, key, value and headers, with where it was found and why it is here.',
  contentType: 'application/octet-stream',
  headers: Type.Object({
    topic: Type.String({ description: 'Topic that it was found in' }),
    partition: Type.String({ description: 'Its partition there' }),
    offset: Type.String({ description: 'Its offset there' }),
    group: Type.String({ description: 'Consumer group that could not read it' }),
    reason: Type.String({ description: 'Why not' }),
  }),
}
