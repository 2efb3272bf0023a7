import { api, type Broker } from './api.ts'
import { batchesIn } from './partition.ts'
import { all, array, bytes, ErrorCode, int16, int32, int64, string, type Reader } from './wire.ts'

const { NONE, OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
const NEVER = -1n
const EARLIEST = -2n
const THROTTLE = int32(0)

const ofTopics = <T>(request: Reader, item: () => T) =>
  request.array(() => ({ topic: request.string(), partitions: request.array(item) }))

const append = ({ storage }: Broker, topic: string, partition: number, records: Buffer) => {
  const log = storage.partition(topic, partition)
  if (!log) return { error: UNKNOWN_TOPIC_OR_PARTITION, offset: -1n }
  const results = batchesIn(records).map((batch) => log.append(batch))
  return results.find(({ error }) => error !== NONE) ?? results[0] ?? { error: NONE, offset: -1n }
}

const produce = api(0, 7, (request, broker) => {
  request.nullableString()
  request.int16()
  request.int32()
  const topics = ofTopics(request, () => ({ partition: request.int32(), records: request.bytes() }))
  const answer = array(topics, ({ topic, partitions }) =>
    all(
      string(topic),
      array(partitions, ({ partition, records }) => {
        const { error, offset } = append(broker, topic, partition, records)
        return all(int32(partition), int16(error), int64(offset), int64(NEVER), int64(0n))
      }),
    ),
  )
  broker.changes.emit('produced')
  return all(answer, THROTTLE)
})

/** Waits until there is something to read, for as long as the client allows. */
const fetch = api(1, 11, async (request, { storage, changes }) => {
  request.int32()
  const waitMs = request.int32()
  request.int32()
  request.int32()
  request.int8()
  request.int32()
  request.int32()
  const topics = ofTopics(request, () => {
    const partition = request.int32()
    request.int32()
    const offset = request.int64()
    request.int64()
    return { partition, offset, max: request.int32() }
  })

  const read = (topic: string, { partition, offset, max }: (typeof topics)[number]['partitions'][number]) => {
    const log = storage.partition(topic, partition)
    const end = log?.end() ?? -1n
    const isIn = offset <= end && offset >= 0n
    const error = log ? (isIn ? NONE : OFFSET_OUT_OF_RANGE) : UNKNOWN_TOPIC_OR_PARTITION
    return { partition, error, end, records: error === NONE && log ? log.read(offset, max) : Buffer.alloc(0) }
  }
  const readAll = () =>
    topics.map(({ topic, partitions }) => ({
      topic,
      found: partitions.map((wanted) => read(topic, wanted)),
    }))
  const isWorthAnAnswer = (result: ReturnType<typeof readAll>) =>
    result.some(({ found }) => found.some(({ error, records }) => error !== NONE || records.length > 0))

  let result = readAll()
  if (!isWorthAnAnswer(result))
    await new Promise<void>((done) => {
      const finish = () => {
        clearTimeout(timer)
        changes.off('produced', look)
        done()
      }
      const look = () => {
        result = readAll()
        if (isWorthAnAnswer(result)) finish()
      }
      const timer = setTimeout(finish, waitMs)
      changes.on('produced', look)
    })
  const answer = array(result, ({ topic, found }) =>
    all(
      string(topic),
      array(found, ({ partition, error, end, records }) =>
        all(
          all(int32(partition), int16(error), int64(end), int64(end), int64(0n)),
          all(int32(0), int32(-1), bytes(records)),
        ),
      ),
    ),
  )
  return all(THROTTLE, int16(NONE), int32(0), answer)
})

const listOffsets = api(2, 3, (request, { storage }) => {
  request.int32()
  request.int8()
  const topics = ofTopics(request, () => ({ partition: request.int32(), time: request.int64() }))
  const answer = array(topics, ({ topic, partitions }) =>
    all(
      string(topic),
      array(partitions, ({ partition, time }) => {
        const log = storage.partition(topic, partition)
        const offset = time === EARLIEST ? 0n : (log?.end() ?? -1n)
        return all(
          int32(partition),
          int16(log ? NONE : UNKNOWN_TOPIC_OR_PARTITION),
          int64(NEVER),
          int64(offset),
        )
      }),
    ),
  )
  return all(THROTTLE, answer)
})

const initProducerId = api(22, 1, (_request, { storage }) =>
  all(THROTTLE, int16(NONE), int64(storage.newProducer()), int16(0)),
)

export const recordApis = [produce, fetch, listOffsets, initProducerId]
