import { setTimeout as sleep } from 'node:timers/promises'
import type { PublicEvent } from '../../domain/public-events.ts'
import { topicOf } from '../../domain/public-record.ts'
import type { Bus, HandleEvents } from '../../ports/bus.ts'
import type { OnTrouble } from './batch.ts'
import { createClient, type ClientOptions } from './client.ts'
import { consumerTimes, startConsumer, type ConsumerTimes } from './consumer.ts'
import { lagOf } from './lag.ts'
import { createSender, type Outgoing } from './producer.ts'
import { messageOf } from './records.ts'
import { insist } from './retry.ts'
import { deadLettersIn, prepareTopics, topicIn, topicsIn, type TopicOptions } from './topics.ts'

const LAG_EVERY_MS = 15_000
/** Until it is known for the first time. */
const LAG_AT_FIRST_MS = 1000

export type KafkaBusOptions = Omit<ClientOptions, 'clientId' | 'onGap'> &
  TopicOptions & {
    readonly onError: (error: unknown) => void
    /** Others than the usual ones, for tests. */
    readonly times?: Partial<ConsumerTimes & { readonly lagEveryMs: number }>
  }

/** The bus on Kafka; docs/decisions/0022-kafkajs.md and 0023-topics.md say why it is as it is. */
export const kafkaBus = (options: KafkaBusOptions): Bus & { close(): Promise<void> } => {
  const { prefix, log, onError } = options
  const times = { ...consumerTimes, lagEveryMs: LAG_EVERY_MS, ...options.times }
  let gaps = 0
  const kafka = createClient({ ...options, clientId: prefix, onGap: () => void gaps++ })
  const publisher = createSender(kafka)
  const setter = createSender(kafka)
  const subscriptions: { readonly group: string; readonly handle: HandleEvents }[] = []
  const lag: Record<string, number> = {}
  const troubles = new Map<string, string>()
  let published = 0
  let deadLetters = 0

  const troubleOf =
    (group: string): OnTrouble =>
    (error, partition = '') => {
      const key = `${group} ${partition}`
      if (error === undefined) troubles.delete(key)
      else {
        troubles.set(key, error instanceof Error ? error.message : 'An unknown fault')
        onError(error)
      }
    }

  let preparing: Promise<void> | undefined
  /** Once for all, or until something fails: a topic may have been deleted. */
  const prepared = () => {
    preparing ??= prepareTopics(kafka, options, log)
    preparing.catch(() => (preparing = undefined))
    return preparing
  }

  const publish = async (events: readonly PublicEvent[]) => {
    await prepared()
    try {
      await publisher.send(
        events.map((event) => ({ topic: topicIn(prefix, topicOf(event.type)), message: messageOf(event) })),
      )
      published += events.length
    } catch (error) {
      preparing = undefined
      throw error
    }
  }

  const setAside = async (records: readonly Outgoing[]) => {
    await setter.send(records)
    deadLetters += records.length
    for (const { message } of records) {
      const { topic, partition, offset, reason } = message.headers ?? {}
      log('error', 'a record cannot be read; it is in the dead letters', { topic, partition, offset, reason })
    }
  }

  const consume = async (name: string, handle: HandleEvents, signal: AbortSignal) => {
    const group = `${prefix}.${name}`
    const onTrouble = troubleOf(group)
    const start = async () => {
      await prepared()
      return startConsumer({
        kafka,
        group,
        topics: topicsIn(prefix),
        times,
        handle,
        deadLetterTopic: deadLettersIn(prefix),
        setAside,
        onTrouble,
        signal,
      })
    }
    const consumer = await insist(start, onTrouble, signal)
    await consumer?.result.ended
  }

  const watchLag = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      for (const { group } of subscriptions)
        await lagOf(kafka, `${prefix}.${group}`, topicsIn(prefix)).then(
          (records) => (lag[group] = records),
          (error: unknown) => log('debug', 'the lag is not known', { group, err: error }),
        )
      const isKnown = subscriptions.every(({ group }) => lag[group] !== undefined)
      const restMs = isKnown ? times.lagEveryMs : Math.min(times.lagEveryMs, LAG_AT_FIRST_MS)
      await sleep(restMs, undefined, { signal }).catch(() => {})
    }
  }

  return {
    publish,
    subscribe: (group, handle) => void subscriptions.push({ group, handle }),
    run: async (signal) => {
      if (subscriptions.length > 0) void watchLag(signal)
      await Promise.all(subscriptions.map(({ group, handle }) => consume(group, handle, signal)))
    },
    status: () => {
      const [error] = troubles.values()
      return { published, deadLetters, gaps, lag, ...(error !== undefined && { error }) }
    },
    close: async () => {
      await Promise.all([publisher.close(), setter.close()])
    },
  }
}
