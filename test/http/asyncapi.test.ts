import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { describe, expect, it, onTestFinished } from 'vitest'
import { publicExamples } from '../../src/domain/public-examples.ts'
import { publicTypes } from '../../src/domain/public-events.ts'
import { topicNames, topicOf } from '../../src/domain/public-record.ts'
import { asyncapi } from '../../src/http/asyncapi.ts'
import type { Json } from '../support/client.ts'
import { operatorToken, startToys } from './support.ts'

const about = { version: '1.2.3', kafkaPrefix: 'acme', kafkaTls: true }
const BROKER = 'kafka-1.internal:9092'
const documentOf = (kafkaBrokers: readonly string[]): Json =>
  JSON.parse(JSON.stringify(asyncapi({ ...about, kafkaBrokers: [...kafkaBrokers] })))
const withKafka = documentOf([BROKER])
const withoutKafka = documentOf([])

const require = createRequire(import.meta.url)
// It brings the schema of JSON Schema along.
const options = { strict: false, meta: false, validateSchema: false }
const specification = addFormats.default(new Ajv(options))
const isAsyncapi = specification.compile(require('@asyncapi/specs/schemas/3.0.0.json'))

const ajv = addFormats.default(new Ajv({ strict: false, allErrors: true }))
const errorsOf = (schema: object, value: unknown) => (ajv.validate(schema, value) ? [] : ajv.errors)

/** What a reference leads to. */
const follow = (document: Json, { $ref }: Json): Json =>
  $ref
    .slice(2)
    .split('/')
    .reduce((node: Json, part: string) => node?.[part], document)
const messagesOf = (document: Json, channel: string): [string, Json][] =>
  Object.entries<Json>(document.channels[channel].messages).map(([name, reference]) => [
    name,
    follow(document, reference),
  ])

describe.each([
  ['with Kafka', withKafka],
  ['without Kafka', withoutKafka],
])('the AsyncAPI document %s', (_, document) => {
  it('is one, by the schema of AsyncAPI 3.0.0', () => {
    isAsyncapi(document)
    expect(isAsyncapi.errors).toBeNull()
    expect(isAsyncapi({ ...document, channels: { events: { adress: 'events' } } })).toBe(false)
    expect(document.info.version).toBe('1.2.3')
  })
  it('has only references that lead somewhere', () => {
    const references: Json[] = []
    JSON.stringify(document, (_key, value: Json) => {
      if (value && typeof value === 'object' && '$ref' in value) references.push(value)
      return value
    })
    expect(references.length).toBeGreaterThan(publicTypes.length)
    for (const reference of references) expect(follow(document, reference), reference.$ref).toBeDefined()
  })
  it('has examples that fit their schemas, with all that is always there', () => {
    const names = Object.keys(document.channels).flatMap((channel) =>
      messagesOf(document, channel).flatMap(([name, { headers, payload, examples = [] }]) =>
        examples.map((example: Json) => {
          expect(errorsOf(headers, example.headers), name).toEqual([])
          expect(errorsOf(payload, example.payload), name).toEqual([])
          expect(Object.keys(example.headers).toSorted()).toEqual(headers.required.toSorted())
          const always = payload.properties.data.required.toSorted()
          expect(Object.keys(example.payload.data).toSorted()).toEqual(always)
          return name
        }),
      ),
    )
    const each = publicTypes.map((type) => `webhook.${type}`)
    expect(names.toSorted()).toEqual([...each, ...(document === withKafka ? publicTypes : [])].toSorted())
  })
  it('sends on every channel, once', () => {
    const operations = Object.values<Json>(document.operations)
    const channels = operations.map(({ channel }) => channel.$ref.split('/').at(-1))
    expect(channels.toSorted()).toEqual(Object.keys(document.channels).toSorted())
    for (const { action } of operations) expect(action).toBe('send')
  })
  it('names every type with a summary, and tells no mark of ours', () => {
    for (const [name, message] of Object.entries<Json>(document.components.messages))
      expect(message.summary, name).toMatch(/^[A-Z].*\.$/)
    expect(JSON.stringify(document)).not.toContain('personal')
  })
})

describe('topics in the AsyncAPI document', () => {
  it('carry each public type in exactly one of them, at its real address', () => {
    for (const type of publicTypes) {
      const channels = topicNames.filter((topic) => type in withKafka.channels[topic].messages)
      expect(channels, type).toEqual([topicOf(type)])
    }
    expect(topicNames.map((topic) => withKafka.channels[topic].address)).toEqual([
      'acme.messages',
      'acme.contacts',
      'acme.instances',
    ])
    expect(withKafka.channels['dead-letters'].address).toBe('acme.dead-letters')
  })
  it('have the key of their records as the key in Kafka', () => {
    for (const type of publicTypes) {
      const message = withKafka.components.messages[type]
      expect(errorsOf(message.bindings.kafka.key, message.examples[0].payload.key), type).toEqual([])
    }
  })
  it('do not tell where the brokers are', () => {
    expect(JSON.stringify(withKafka)).not.toContain('internal')
    expect(withKafka.servers.kafka.protocol).toBe('kafka-secure')
  })
  it('are not there without Kafka: then webhooks are all', () => {
    expect(Object.keys(withoutKafka.channels)).toEqual(['webhooks'])
    expect(Object.keys(withoutKafka.servers)).toEqual(['receiver'])
  })
})

describe('examples', () => {
  it('are one of each type, each with an id of its own', () => {
    expect(publicExamples.map(({ type }) => type)).toEqual(publicTypes)
    expect(new Set(publicExamples.map(({ id }) => id)).size).toBe(publicTypes.length)
  })
})

describe('GET /asyncapi.json', () => {
  const start = async (...changes: Parameters<typeof startToys>) => {
    const toys = await startToys(...changes)
    onTestFinished(() => toys.stop())
    return toys
  }
  it('is the document of this deployment', async () => {
    const { url } = await start({ settings: { kafkaBrokers: [BROKER], kafkaPrefix: 'acme', kafkaTls: true } })
    for (const prefix of ['', '/api/v1']) {
      const response = await fetch(`${url}${prefix}/asyncapi.json`)
      expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
      expect(await response.json()).toEqual(withKafka)
    }
  })
  it('needs the token of the operator where documentation is not public', async () => {
    const { url } = await start({ settings: { publicPages: [] } })
    expect((await fetch(`${url}/asyncapi.json`)).status).toBe(401)
    const headers = { authorization: `Bearer ${operatorToken}` }
    expect((await fetch(`${url}/asyncapi.json`, { headers })).status).toBe(200)
  })
})
