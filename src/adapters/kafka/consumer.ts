import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumer, Kafka } from 'kafkajs'
import { whenAborted } from '../../aborted.ts'
import { handleBatch, type BatchOptions, type OnTrouble } from './batch.ts'
import { clientRetry } from './client.ts'

/** Partitions that are handled beside each other. */
const PARTITIONS_AT_ONCE = 4
const STOP_MS = 3000
const STALL_LOOKS = 10

export type ConsumerTimes = {
  readonly sessionMs: number
  readonly rebalanceMs: number
  readonly heartbeatMs: number
  /** How long a fetch waits for records; a stop waits for it. */
  readonly fetchMs: number
  /** Without any sign of life for that long, the client counts as hung. */
  readonly stallMs: number
}
export const consumerTimes: ConsumerTimes = {
  sessionMs: 10_000,
  rebalanceMs: 60_000,
  heartbeatMs: 2000,
  fetchMs: 500,
  stallMs: 180_000,
}

type Options = Omit<BatchOptions, 'heartbeatMs'> & {
  readonly kafka: Kafka
  readonly topics: readonly string[]
  readonly times: ConsumerTimes
}

/** Joins the group. `ended` resolves once the consumer has left it, after the signal; it rejects if the client gave up. */
export const startConsumer = async (options: Options) => {
  const { kafka, group, topics, times, signal, onTrouble } = options
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: times.sessionMs,
    rebalanceTimeout: times.rebalanceMs,
    heartbeatInterval: times.heartbeatMs,
    maxWaitTimeInMs: times.fetchMs,
    allowAutoTopicCreation: false,
    retry: clientRetry,
  })
  const gaveUp = whenGivenUp(consumer, group, onTrouble)
  const isAlive = watchLife(consumer, times.stallMs)
  try {
    await consumer.connect()
    // What was published before the group was there is for it too.
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
      eachBatch: handleBatch({ ...options, heartbeatMs: times.heartbeatMs }),
    })
  } catch (error) {
    void leave(consumer)
    throw error
  }

  const whenHung = async () => {
    while (isAlive()) await sleep(times.stallMs / STALL_LOOKS, undefined, { signal, ref: false })
    throw new Error(`The Kafka client of the group ${group} has hung. A new process has to go on.`)
  }
  const end = async () => {
    try {
      await Promise.race([whenAborted(signal), gaveUp, whenHung()])
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      await leave(consumer)
    }
  }
  return { ended: end() }
}

/** Leaves the group, so that its partitions go to the others at once. */
const leave = (consumer: Consumer) =>
  Promise.race([consumer.disconnect().catch(() => {}), sleep(STOP_MS, undefined, { ref: false })])

/** A crash that kafkajs mends itself is trouble; one that it does not mend is the end of the consumer, without a sound. */
const whenGivenUp = (consumer: Consumer, group: string, onTrouble: OnTrouble) => {
  consumer.on(consumer.events.GROUP_JOIN, () => onTrouble(undefined))
  const gaveUp = new Promise<never>((_, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      if (restart) return onTrouble(error)
      const text = `The Kafka client of the group ${group} gave up: ${error.message}. A new process has to go on.`
      reject(new Error(text, { cause: error }))
    })
  })
  // Whoever waits for the end hears of it.
  gaveUp.catch(() => {})
  return gaveUp
}

const watchLife = (consumer: Consumer, stallMs: number) => {
  let last = performance.now()
  const sign = () => void (last = performance.now())
  const { FETCH_START, FETCH, HEARTBEAT, GROUP_JOIN, CRASH } = consumer.events
  consumer.on(FETCH_START, sign)
  consumer.on(FETCH, sign)
  consumer.on(HEARTBEAT, sign)
  consumer.on(GROUP_JOIN, sign)
  consumer.on(CRASH, sign)
  return () => performance.now() - last < stallMs
}
