import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Kafka, type Message, type Producer, type TopicMessages } from 'kafkajs'
import { clientRetry } from './client.ts'

/** Of one request. The largest batch that a topic with Kafka's own default limit takes, and some room. */
const BATCH_MAX_BYTES = 900_000
const BATCH_MAX_RECORDS = 1000
const DISCONNECT_MS = 1000
/** About what Kafka adds to a record and to each of its headers. */
const OVERHEAD_BYTES = 100

/** A message of ours always has a key and a value; what was read elsewhere need not. */
export type Outgoing = { readonly topic: string; readonly message: Message }

/**
 * Sends records in the order given. After any failure the producer is given up, since nobody knows what was stored: the
 * next send begins with a new one. Going on with the old one could lose records without a sign: kafkajs takes the
 * sequence numbers of a failed send back, other records get the same ones, and if the failed send was stored after all,
 * the broker takes them for a repetition.
 */
export const createSender = (kafka: Kafka) => {
  /** Where the partitioner has put each message. */
  const chosen = new WeakMap<Message, number>()
  let current: Promise<Producer> | undefined

  const createPartitioner = () => {
    const choose = kafkajs.Partitioners.DefaultPartitioner()
    return (given: Parameters<typeof choose>[0]) => {
      const partition = choose(given)
      chosen.set(given.message, partition)
      return partition
    }
  }

  const connect = async (): Promise<Producer> => {
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner,
      retry: clientRetry,
    })
    try {
      await producer.connect()
      return producer
    } catch (error) {
      abandon(producer)
      throw error
    }
  }

  const sendBatch = async (producer: Producer, batch: readonly Outgoing[]) => {
    const results = await producer.sendBatch({ topicMessages: byTopic(batch), acks: -1 })
    const acknowledged = new Set(results.map(({ topicName, partition }) => `${topicName} ${partition}`))
    // kafkajs forgets a partition whose leader moves, while it tries again, to a broker that has already answered.
    const isStored = ({ topic, message }: Outgoing) => acknowledged.has(`${topic} ${chosen.get(message)}`)
    if (!batch.every(isStored)) throw new Error('Kafka has not acknowledged all records')
  }

  const send = async (records: readonly Outgoing[]) => {
    for (const batch of batches(records)) {
      const producer = (current ??= connect())
      try {
        await sendBatch(await producer, batch)
      } catch (error) {
        if (current === producer) current = undefined
        producer.then(abandon, () => {})
        throw isTooLarge(error) ? tooLarge(batch, error) : error
      }
    }
  }

  const close = async () => {
    const producer = await current?.catch(() => undefined)
    current = undefined
    await Promise.race([producer?.disconnect(), sleep(DISCONNECT_MS, undefined, { ref: false })])
  }

  return { send, close }
}

const abandon = (producer: Producer) => void producer.disconnect().catch(() => {})

/** Cut so that no request is too large; a record that is so by itself goes alone. */
const batches = (records: readonly Outgoing[]): Outgoing[][] => {
  const cut: Outgoing[][] = []
  let bytes = Infinity
  for (const record of records) {
    const size = sizeOf(record)
    const last = cut.at(-1)
    if (last && bytes + size <= BATCH_MAX_BYTES && last.length < BATCH_MAX_RECORDS) {
      last.push(record)
      bytes += size
    } else {
      cut.push([record])
      bytes = size
    }
  }
  return cut
}

const sizeOf = ({ message: { key, value, headers } }: Outgoing): number => {
  const parts = [key, value, ...Object.entries(headers ?? {}).flat(2)]
  return parts.reduce((sum: number, part) => sum + (part ? Buffer.byteLength(part) : 0), OVERHEAD_BYTES)
}

const byTopic = (batch: readonly Outgoing[]): TopicMessages[] => {
  const messages = new Map<string, Message[]>()
  for (const { topic, message } of batch) {
    const others = messages.get(topic)
    if (others) others.push(message)
    else messages.set(topic, [message])
  }
  return [...messages].map(([topic, inTopic]) => ({ topic, messages: inTopic }))
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error &&
  (('type' in error && ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'].includes(String(error.type))) ||
    isTooLarge(error.cause))

const tooLarge = (batch: readonly Outgoing[], cause: unknown) => {
  const topics = [...new Set(batch.map(({ topic }) => topic))].join(', ')
  const bytes = batch.reduce((sum, record) => sum + sizeOf(record), 0)
  const what = batch.length === 1 ? 'A record' : `${batch.length} records`
  return new Error(
    `${what} of ${bytes} bytes cannot be published to ${topics}: the topic takes less. Raise its max.message.bytes.`,
    { cause },
  )
}
