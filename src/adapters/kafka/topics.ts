import type { Admin, ITopicConfig, Kafka } from 'kafkajs'
import { topicNames, type Topic } from '../../domain/public-record.ts'
import type { KafkaLog } from './client.ts'

const DAY_MS = 86_400_000
/** For how long a subscriber may be away without missing anything. */
const RETENTION_DAYS = 7
const DEAD_LETTER_RETENTION_DAYS = 30
const RECORD_MAX_BYTES = 2 * 1024 * 1024
/** For the headers that a dead letter has more. */
const DEAD_LETTER_HEADERS_BYTES = 64 * 1024
const COPIES = 3
const MAKE_TIMEOUT_MS = 10_000

export const topicIn = (prefix: string, topic: Topic) => `${prefix}.${topic}`
export const topicsIn = (prefix: string) => topicNames.map((topic) => topicIn(prefix, topic))
export const deadLettersIn = (prefix: string) => `${prefix}.dead-letters`

export type TopicOptions = {
  readonly prefix: string
  readonly partitions: number
  /** 0 for as many as is usual. */
  readonly replication: number
}

/** Makes the topics that are not there, and looks at those that are. */
export const prepareTopics = async (kafka: Kafka, options: TopicOptions, log: KafkaLog) => {
  const admin = kafka.admin()
  try {
    await admin.connect()
    const { brokers } = await admin.describeCluster()
    const wanted = topicConfigs(options, options.replication || Math.min(COPIES, brokers.length))
    const there = await admin.listTopics()
    const missing = wanted.filter(({ topic }) => !there.includes(topic))
    if (missing.length > 0) await make(admin, missing)
    await compare(admin, wanted, log)
  } finally {
    await admin.disconnect()
  }
}

const topicConfigs = ({ prefix, partitions }: TopicOptions, replication: number): ITopicConfig[] => {
  const config = (topic: string, numPartitions: number, retentionDays: number, maxBytes: number) => ({
    topic,
    numPartitions,
    replicationFactor: replication,
    configEntries: Object.entries({
      'cleanup.policy': 'delete',
      'retention.ms': String(retentionDays * DAY_MS),
      'max.message.bytes': String(maxBytes),
      // With three copies, one broker may be away and an acknowledged record still be on two.
      ...(replication >= COPIES && { 'min.insync.replicas': '2' }),
    }).map(([name, value]) => ({ name, value })),
  })
  return [
    ...topicsIn(prefix).map((topic) => config(topic, partitions, RETENTION_DAYS, RECORD_MAX_BYTES)),
    config(
      deadLettersIn(prefix),
      1,
      DEAD_LETTER_RETENTION_DAYS,
      RECORD_MAX_BYTES + DEAD_LETTER_HEADERS_BYTES,
    ),
  ]
}

const make = async (admin: Admin, topics: ITopicConfig[]) => {
  try {
    await admin.createTopics({ topics, waitForLeaders: true, timeout: MAKE_TIMEOUT_MS })
  } catch (error) {
    // Those that another node has just made are as good.
    const faults = faultsOf(error).filter(({ type }) => type !== 'TOPIC_ALREADY_EXISTS')
    if (faults.length === 0) return
    const needed = topics.map(({ topic, numPartitions }) => `${topic} (${numPartitions} partitions)`)
    const reasons = [...new Set(faults.map(({ message }) => message))]
    const text = `Kafka does not let this program make topics: ${reasons.join(' ')} Needed are: ${needed.join(', ')}.`
    throw new Error(`${text} Grant it the rights Create and Describe, or make them by hand.`, {
      cause: error,
    })
  }
}

const faultsOf = (error: unknown): readonly { readonly type?: unknown; readonly message: string }[] => {
  if (error instanceof AggregateError || (error instanceof Error && 'errors' in error))
    return Array.isArray(error.errors) ? error.errors.filter((one) => one instanceof Error) : []
  return [error instanceof Error ? error : new Error(String(error))]
}

/** The key of an event decides on its partition, by their number: they are used as they are. */
const compare = async (admin: Admin, wanted: readonly ITopicConfig[], log: KafkaLog) => {
  const names = wanted.map(({ topic }) => topic)
  const { topics } = await admin.fetchTopicMetadata({ topics: names })
  for (const { name, partitions } of topics) {
    const asked = wanted.find(({ topic }) => topic === name)?.numPartitions ?? 1
    if (partitions.length < asked)
      log('warn', 'the topic has fewer partitions than asked for; it is used as it is', {
        topic: name,
        partitions: partitions.length,
        asked,
      })
  }
}
