import { api } from './api.ts'
import { all, array, bool, ErrorCode, int16, int32, string } from './wire.ts'

const { NONE, TOPIC_ALREADY_EXISTS, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
const NODE = 1
const THROTTLE = int32(0)

const metadata = api(3, 6, (request, { storage }, { isAuthorized, host, port }) => {
  const asked = request.nullableArray(request.string)
  const names = asked ?? (isAuthorized ? storage.topicNames() : [])
  const node = all(int32(NODE), string(host), int32(port), string(undefined))
  const alone = array([NODE], int32)
  const topics = array(names, (name) => {
    const partitions = isAuthorized ? storage.partitionsOf(name) : undefined
    const error = isAuthorized ? (partitions ? NONE : UNKNOWN_TOPIC_OR_PARTITION) : TOPIC_AUTHORIZATION_FAILED
    const numbers = [...(partitions ?? []).keys()]
    return all(
      all(int16(error), string(name), bool(false)),
      array(numbers, (n) => all(int16(NONE), int32(n), int32(NODE), alone, alone, array([], int32))),
    )
  })
  return all(
    THROTTLE,
    array([node], (one) => one),
    string('stand-in'),
    int32(NODE),
    topics,
  )
})

const createTopics = api(19, 3, (request, { storage }, { isAuthorized }) => {
  const topics = request.array(() => {
    const [name, partitions] = [request.string(), request.int32()]
    request.int16()
    request.array(() => [request.int32(), request.array(request.int32)])
    const config = new Map(request.array(() => [request.string(), request.string()] as const))
    return { name, partitions, maxBytes: Number(config.get('max.message.bytes') ?? NaN) }
  })
  const answer = array(topics, ({ name, partitions, maxBytes }) => {
    const isThere = storage.partitionsOf(name) !== undefined
    const error = isAuthorized ? (isThere ? TOPIC_ALREADY_EXISTS : NONE) : TOPIC_AUTHORIZATION_FAILED
    if (error === NONE) storage.makeTopic(name, partitions, Number.isNaN(maxBytes) ? undefined : maxBytes)
    return all(string(name), int16(error), string(undefined))
  })
  return all(THROTTLE, answer)
})

export const topicApis = [metadata, createTopics]
