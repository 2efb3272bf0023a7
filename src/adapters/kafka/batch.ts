import type { EachBatchPayload, KafkaMessage } from 'kafkajs'
import type { PublicEvent } from '../../domain/public-events.ts'
import type { HandleEvents } from '../../ports/bus.ts'
import { startHeart } from './heart.ts'
import type { Outgoing } from './producer.ts'
import { decode } from './records.ts'
import { insist } from './retry.ts'

/** Records handed over at once; after them the offset is committed. */
const SLICE = 500

/** Hears what holds the group up, or one partition of it; of undefined once it is over. */
export type OnTrouble = (error: unknown, partition?: string) => void

export type BatchOptions = {
  readonly group: string
  readonly handle: HandleEvents
  readonly deadLetterTopic: string
  /** Puts aside what cannot be read. */
  readonly setAside: (records: readonly Outgoing[]) => Promise<void>
  readonly onTrouble: OnTrouble
  readonly heartbeatMs: number
  readonly signal: AbortSignal
}

/**
 * Handles the records of one partition, in order. What fails is tried again in place and never passed over, so only
 * faults of the group itself get out: at those, kafkajs joins again and brings what was not committed.
 */
export const handleBatch = (options: BatchOptions) => async (payload: EachBatchPayload) => {
  const { batch, heartbeat, isRunning, isStale, resolveOffset } = payload
  const heart = startHeart(heartbeat, options.heartbeatMs / 2)
  const signal = AbortSignal.any([options.signal, heart.lost])
  /** Answers whether it was done; it was not if the batch is no longer ours to handle. */
  const untilDone = async (work: () => Promise<void>) => {
    const onTrouble = (error: unknown) => options.onTrouble(error, `${batch.topic} ${batch.partition}`)
    const done = await insist(work, onTrouble, signal)
    onTrouble(undefined)
    heart.lost.throwIfAborted()
    return done !== undefined
  }
  try {
    for (let from = 0; from < batch.messages.length; from += SLICE) {
      if (!isRunning() || isStale()) return
      const slice = batch.messages.slice(from, from + SLICE)
      const { events, unreadable } = sorted(slice, batch, options)
      if (unreadable.length > 0 && !(await untilDone(() => options.setAside(unreadable)))) return
      if (events.length > 0 && !(await untilDone(async () => options.handle(events)))) return
      resolveOffset(slice.at(-1)?.offset ?? batch.lastOffset())
      await heartbeat()
      await payload.commitOffsetsIfNecessary(payload.uncommittedOffsets())
    }
  } finally {
    heart.stop()
  }
}

type Source = { readonly topic: string; readonly partition: number }

const sorted = (
  messages: readonly KafkaMessage[],
  source: Source,
  { group, deadLetterTopic: topic }: BatchOptions,
) => {
  const events: PublicEvent[] = []
  const unreadable: Outgoing[] = []
  for (const message of messages) {
    const decoded = decode(message.value)
    if ('event' in decoded) events.push(decoded.event)
    else unreadable.push({ topic, message: deadLetter(message, source, group, decoded.reason) })
  }
  return { events, unreadable }
}

/** The record as it was, and where and why it was put aside. */
const deadLetter = (
  { key, value, headers, offset }: KafkaMessage,
  { topic, partition }: Source,
  group: string,
  reason: string,
) => ({
  key,
  value,
  headers: { ...headers, topic, partition: String(partition), offset, group, reason },
})
