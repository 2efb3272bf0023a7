import { randomUUID } from 'node:crypto'
import kafkajs, { type IHeaders, type KafkaMessage, type Message, type TopicPartitionOffset } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { publicTypes, type PublicEvent } from '../../src/domain/public-events.ts'
import { recordOf, topicOf, topics } from '../../src/domain/public-record.ts'
import { conversations, expectInOrder, publish, running, subscriber } from '../contracts/bus.ts'
import { testCertificate } from '../support/certificate.ts'
import { newPrefix, openKafkaBus, startKafka, type KafkaUnderTest } from '../support/kafka.ts'
import { RequestKey } from '../support/kafka-proxy.ts'
import { everyPublicEvent, received } from '../support/public-events.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

const GROUP_AUTHORIZATION_FAILED = 30
const LARGE_BYTES = 3 * 1024 * 1024

let kafka: KafkaUnderTest
beforeAll(async () => {
  kafka = await startKafka()
})
afterAll(() => kafka.stop())

/** A bus on topics of its own, or on those of another. */
const open = (options: Partial<Parameters<typeof openKafkaBus>[0]> = {}) => {
  const prefix = options.prefix ?? newPrefix()
  const bus = openKafkaBus({ brokers: [kafka.plain], ...options, prefix })
  onTestFinished(bus.close)
  return { ...bus, prefix }
}
const proxied = () => [`127.0.0.1:${kafka.proxy.port}`]

/** Another program on the same brokers, without anything of the adapter. */
const otherClient = () => {
  const retry = { initialRetryTime: 100, retries: 8 }
  const brokers = [kafka.plain]
  return new kafkajs.Kafka({ brokers, clientId: 'other', logLevel: kafkajs.logLevel.NOTHING, retry })
}
const produce = async (topic: string, messages: Message[]) => {
  const producer = otherClient().producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await producer.connect()
  await producer.send({ topic, messages })
  await producer.disconnect()
}
/** Makes topics and asks about them. */
const withAdmin = async <T>(ask: (admin: kafkajs.Admin) => Promise<T>): Promise<T> => {
  const admin = otherClient().admin()
  await admin.connect()
  try {
    return await ask(admin)
  } finally {
    await admin.disconnect()
  }
}
/** What stands in some topics, as it grows. */
const reading = async (...names: string[]) => {
  const consumer = otherClient().consumer({ groupId: randomUUID(), maxWaitTimeInMs: 200 })
  const records: (KafkaMessage & { topic: string })[] = []
  await consumer.connect()
  await consumer.subscribe({ topics: names, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ topic, message }) => void records.push({ ...message, topic }) })
  onTestFinished(() => consumer.disconnect())
  return records
}
/** Gives a group its place in a partition. */
const commit = async (groupId: string, place: TopicPartitionOffset) => {
  const consumer = otherClient().consumer({ groupId, maxWaitTimeInMs: 200 })
  const joined = new Promise((done) => consumer.on(consumer.events.GROUP_JOIN, done))
  await consumer.connect()
  await consumer.subscribe({ topics: [place.topic] })
  await consumer.run({ autoCommit: false, eachBatch: () => Promise.resolve() })
  // It would mend a place that is not there.
  consumer.pause([place])
  await joined
  await consumer.commitOffsets([place])
  await consumer.disconnect()
}
const textOf = (headers: IHeaders | undefined) =>
  Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]))
const ids = (events: readonly PublicEvent[]) => events.map(({ id }) => id)
const idsOf = (records: readonly KafkaMessage[]) => records.map(({ headers }) => textOf(headers)['event-id'])

describe('what is in the topics', () => {
  it('a record of every type, in its topic, with its key and headers', async () => {
    const bus = open()
    const sent = Object.values(everyPublicEvent())
    await bus.publish(sent)
    const records = await reading(...Object.keys(topics).map((topic) => `${bus.prefix}.${topic}`))
    await eventually(() => expect(records).toHaveLength(publicTypes.length))
    for (const event of sent) {
      const record = records.find(({ headers }) => textOf(headers)['event-id'] === event.id)
      expect(record?.topic).toBe(`${bus.prefix}.${topicOf(event.type)}`)
      expect(record?.key?.toString()).toBe(event.key)
      expect(JSON.parse(record?.value?.toString() ?? '')).toEqual(recordOf(event))
      expect(textOf(record?.headers)).toEqual({
        'event-id': event.id,
        'event-type': event.type,
        'schema-version': '1',
        'tenant-id': event.tenantId,
        'correlation-id': event.correlation,
        'causation-id': event.causation,
        'content-type': 'application/json',
      })
    }
  })

  it('what cannot be read goes to the dead letters as it was, and what is behind it is handled', async () => {
    const bus = open()
    const { events, has } = subscriber(bus, 'webhooks')
    const key = randomUUID()
    const [before, after] = [received(key, 'before'), received(key, 'after')]
    await bus.publish([before])
    const topic = `${bus.prefix}.messages`
    const bad = [
      ['a secret, no JSON', 'The value is not a JSON object'],
      ['"a text"', 'The value is not a JSON object'],
      [null, 'The value is not a JSON object'],
      [
        JSON.stringify({ ...recordOf(before), type: 'message.eaten' }),
        'The type is not one that is known here',
      ],
      [JSON.stringify({ ...recordOf(before), version: 2 }), 'value/version must be equal to constant'],
      [JSON.stringify({ ...recordOf(before), key: 'no uuid' }), 'value/key must match format "uuid"'],
    ] as const
    const headers = { 'event-type': 'message.eaten', other: Buffer.from([0, 255]) }
    await produce(
      topic,
      bad.map(([value]) => ({ key, value, headers })),
    )
    await bus.publish([after])
    running(bus)
    await has([before, after])
    expect(ids(events)).toEqual(ids([before, after]))

    const letters = await reading(`${bus.prefix}.dead-letters`)
    await eventually(() => expect(letters).toHaveLength(bad.length))
    bad.forEach(([value, reason], n) => {
      const letter = letters[n]
      expect(letter?.key?.toString()).toBe(key)
      expect(letter?.value?.toString()).toBe(value === null ? undefined : value)
      expect(letter?.headers?.['other']).toEqual(headers.other)
      expect(textOf(letter?.headers)).toMatchObject({
        'event-type': 'message.eaten',
        topic,
        partition: expect.stringMatching(/^[012]$/),
        offset: String(n + 1),
        group: `${bus.prefix}.webhooks`,
        reason,
      })
    })
    expect(bus.status()).toMatchObject({ deadLetters: bad.length })
    const told = bus.lines.filter(({ level }) => level === 'error')
    expect(told).toHaveLength(bad.length)
    expect(JSON.stringify(bus.lines)).not.toContain('a secret')
  })
})

describe('publishing', () => {
  it('loses and repeats nothing when the answer to a request is lost', async () => {
    const bus = open({ brokers: proxied() })
    const [first, second, third] = [conversations(4, 5), conversations(4, 5), conversations(4, 5)]
    await bus.publish(first)
    kafka.proxy.loseAnswerTo(RequestKey.produce)
    await bus.publish(second)
    expect(kafka.proxy.isSpoiling()).toBe(false)
    await bus.publish(third)
    const records = await reading(`${bus.prefix}.messages`)
    await eventually(() => expect(records).toHaveLength(60))
    expect(idsOf(records).sort()).toEqual(ids([...first, ...second, ...third]).sort())
  })

  it('loses nothing when the outcome stays unknown, even if something else is published next', async () => {
    const bus = open({ brokers: proxied() })
    const { events, has } = subscriber(bus, 'webhooks')
    const key = randomUUID()
    const batch = (name: string) => [1, 2, 3].map((n) => received(key, `${name} ${n}`))
    const [first, second, third] = [batch('first'), batch('second'), batch('third')]
    await bus.publish(first)
    kafka.proxy.loseAnswerTo(RequestKey.produce, Infinity)
    await expect(bus.publish(second)).rejects.toThrow()
    kafka.proxy.heal()
    // As many records on the same partition: with the numbers of the lost ones they would count as a repetition.
    await bus.publish(third)
    await publish(bus, second)
    running(bus)
    await has([...first, ...second, ...third])
    expectInOrder(events, [...first, ...second, ...third])
  })

  it('says that a record is too large, and goes on with others', async () => {
    const bus = open()
    const large = received(randomUUID(), 'x'.repeat(LARGE_BYTES))
    await expect(bus.publish([large])).rejects.toThrow(
      new RegExp(
        `A record of \\d+ bytes cannot be published to ${bus.prefix}.messages: the topic takes less`,
      ),
    )
    const small = received(randomUUID(), 'small')
    await bus.publish([small])
    const records = await reading(`${bus.prefix}.messages`)
    await eventually(() => expect(idsOf(records)).toEqual([small.id]))
  })

  it('cuts what is published at once, so that no request is too large', async () => {
    const bus = open()
    const key = randomUUID()
    const sent = Array.from({ length: 12 }, (_, n) => received(key, String(n).padEnd(400_000, 'x')))
    await bus.publish(sent)
    const records = await reading(`${bus.prefix}.messages`)
    await eventually(() => expect(idsOf(records)).toEqual(ids(sent)))
  })
})

describe('topics', () => {
  it('are made with what they need, once, by whoever comes first', async () => {
    const prefix = newPrefix()
    const buses = [open({ prefix }), open({ prefix }), open({ prefix })]
    await Promise.all(buses.map((bus) => bus.publish([received(randomUUID(), 'hello')])))
    const names = ['messages', 'contacts', 'instances', 'dead-letters'].map((name) => `${prefix}.${name}`)
    const { topics: made } = await withAdmin((admin) => admin.fetchTopicMetadata({ topics: names }))
    expect(made.map(({ name, partitions }) => [name, partitions.length]).sort()).toEqual(
      names.map((name) => [name, name.endsWith('dead-letters') ? 1 : 3]).sort(),
    )
    expect(buses.flatMap(({ lines }) => lines.filter(({ text }) => text.includes('partitions')))).toEqual([])
  })

  it('that are there already are used as they are, with a warning if they have fewer partitions', async () => {
    const prefix = newPrefix()
    const topic = `${prefix}.messages`
    await withAdmin((admin) =>
      admin.createTopics({
        topics: [{ topic, numPartitions: 1, replicationFactor: 1 }],
        waitForLeaders: true,
      }),
    )
    const bus = open({ prefix })
    const { events, has } = subscriber(bus, 'webhooks')
    const sent = conversations(5, 2)
    await bus.publish(sent)
    running(bus)
    await has(sent)
    expect(ids(events)).toEqual(ids(sent))
    const warnings = bus.lines.filter(({ text }) => text.includes('fewer partitions'))
    expect(warnings).toEqual([expect.objectContaining({ fields: { topic, partitions: 1, asked: 3 } })])
  })
})

describe('with TLS and a login', () => {
  const secured = (username: string, password: string, mechanism: 'plain' | 'scram-sha-512' = 'plain') =>
    open({
      brokers: [kafka.secure],
      tls: { ca: testCertificate },
      sasl: { mechanism, username, password },
    })

  it('events come through', async () => {
    const bus = secured('zapini', 'zapini-secret')
    const { has } = subscriber(bus, 'webhooks')
    const sent = conversations(3, 3)
    await bus.publish(sent)
    running(bus)
    await has(sent)
  })

  it('events come through with SCRAM, on a real Kafka', async ({ skip }) => {
    if (!kafka.isReal) skip('the stand-in does not know SCRAM')
    const bus = secured('zapini', 'zapini-secret', 'scram-sha-512')
    const { has } = subscriber(bus, 'webhooks')
    const sent = conversations(3, 3)
    await bus.publish(sent)
    running(bus)
    await has(sent)
  })

  it('a wrong password is said to be one', async () => {
    await expect(secured('zapini', 'wrong').publish(conversations(1, 1))).rejects.toThrow(/authentication/i)
  })

  it('a server that nobody vouches for is not spoken to', async () => {
    const bus = open({ brokers: [kafka.secure], tls: {} })
    await expect(bus.publish(conversations(1, 1))).rejects.toThrow(/self-signed certificate/)
  })

  it('missing rights are said to be missing, and which', async () => {
    const bus = secured('stranger', 'stranger-secret')
    subscriber(bus, 'webhooks')
    await expect(bus.publish(conversations(1, 1))).rejects.toThrow(/Grant it the rights Create and Describe/)
    running(bus)
    await eventually(() => expect(bus.status().error).toContain(`${bus.prefix}.messages (3 partitions)`))
  })
})

describe('consuming', () => {
  it('goes on with the oldest record where its place is gone, which is said and counted', async () => {
    const bus = open({ partitions: 1 })
    const { events, has } = subscriber(bus, 'webhooks')
    const sent = conversations(1, 3)
    await bus.publish(sent)
    // As after retention has passed, or where the topic was made anew.
    const topic = `${bus.prefix}.messages`
    await commit(`${bus.prefix}.webhooks`, { topic, partition: 0, offset: '1000' })
    running(bus)
    await has(sent)
    expect(ids(events)).toEqual(ids(sent))
    expect(bus.status()).toMatchObject({ gaps: 1 })
    expect(bus.lines.filter(({ level }) => level === 'error')).toEqual([
      {
        level: 'error',
        text: expect.stringContaining('deleted before they were read'),
        fields: expect.objectContaining({ topic, partition: 0 }),
      },
    ])
  })

  it('keeps its place in the group however long the subscriber takes', async () => {
    const bus = open({ brokers: proxied(), times: { sessionMs: 1500, heartbeatMs: 200 } })
    const { opened, open: finish } = gate()
    const { events, has } = subscriber(bus, 'webhooks', () => opened)
    const sent = conversations(1, 3)
    await bus.publish(sent)
    running(bus)
    // At 200 ms each, twice the time after which the group would go on without it.
    const beats = kafka.proxy.count(RequestKey.heartbeat)
    await eventually(() => expect(kafka.proxy.count(RequestKey.heartbeat) - beats).toBeGreaterThan(15))
    finish()
    await has(sent)
    const more = conversations(1, 3)
    await bus.publish(more)
    await has(more)
    expect(ids(events)).toEqual(ids([...sent, ...more]))
  })

  it('shows why a subscriber holds it up, and how much waits for it, until it goes on', async () => {
    const bus = open({ times: { lagEveryMs: 50 } })
    let isAway = true
    const { has } = subscriber(bus, 'webhooks', async () => {
      if (isAway) throw new Error('the database is away')
    })
    const sent = conversations(7, 1)
    await bus.publish(sent)
    running(bus)
    await eventually(() =>
      expect(bus.status()).toMatchObject({ error: 'the database is away', lag: { webhooks: 7 } }),
    )
    isAway = false
    await has(sent)
    await eventually(() => expect(bus.status()).toMatchObject({ lag: { webhooks: 0 } }))
    expect(bus.status().error).toBeUndefined()
  })

  it('stops within a second, whether it waits for events or for a subscriber that fails', async () => {
    const bus = open({ times: { fetchMs: 500 } })
    const { has } = subscriber(bus, 'webhooks')
    subscriber(bus, 'audit', async () => {
      throw new Error('the database is away')
    })
    const sent = conversations(1, 1)
    await bus.publish(sent)
    const { stop } = running(bus)
    await has(sent)
    await eventually(() => expect(bus.status().error).toBe('the database is away'))
    const begun = performance.now()
    await stop()
    const stoppedAfterMs = Math.round(performance.now() - begun)
    console.info(`stopped after ${stoppedAfterMs} ms`)
    expect(stoppedAfterMs).toBeLessThan(1000)
  })

  it('ends with the reason when the client gives up for good', async () => {
    const bus = open({ brokers: proxied() })
    const { has } = subscriber(bus, 'webhooks')
    const sent = conversations(1, 1)
    await bus.publish(sent)
    const ended = bus.run(new AbortController().signal)
    ended.catch(() => {})
    await has(sent)
    kafka.proxy.refuseHeartbeat(GROUP_AUTHORIZATION_FAILED)
    await expect(ended).rejects.toThrow(
      `The Kafka client of the group ${bus.prefix}.webhooks gave up: Not authorized to access group`,
    )
  })

  it('ends when the client gives no sign of life any more', async () => {
    const bus = open({ times: { fetchMs: 400, stallMs: 100 } })
    subscriber(bus, 'webhooks')
    await expect(bus.run(new AbortController().signal)).rejects.toThrow('has hung')
  })
})

it('a broker that is killed costs no event and no order, and is waited for, which shows', async () => {
  const bus = open()
  const { events, has } = subscriber(bus, 'webhooks')
  running(bus)
  const sent = conversations(10, 60)
  const publishAll = async () => {
    for (let from = 0; from < sent.length; from += 20) await publish(bus, sent.slice(from, from + 20))
  }
  const published = publishAll()
  await eventually(() => expect(events.length).toBeGreaterThan(100))
  await kafka.kill()
  const late = open({ prefix: bus.prefix })
  const audit = subscriber(late, 'audit')
  running(late)
  await eventually(() => expect(late.status().error).toMatch(/ECONNREFUSED/))
  await kafka.start()
  await published
  await Promise.all([has(sent), audit.has(sent)])
  for (const all of [events, audit.events]) expectInOrder(all, sent)
  for (const one of [bus, late]) await eventually(() => expect(one.status().error).toBeUndefined())
  expect(bus.lines.some(({ level, fields }) => level === 'warn' && 'from' in fields)).toBe(true)
  expect(JSON.stringify(bus.lines)).not.toContain('José')
})
