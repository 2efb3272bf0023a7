import { api } from './api.ts'
import { placeOf } from './storage.ts'
import { all, array, bytes, ErrorCode, int16, int32, int64, string } from './wire.ts'

const { NONE, REBALANCE_IN_PROGRESS } = ErrorCode
const NODE = 1
const THROTTLE = int32(0)

const offsetCommit = api(8, 5, (request, { storage, groupOf }) => {
  const group = request.string()
  const generation = request.int32()
  const memberId = request.string()
  const topics = request.array(() => ({
    topic: request.string(),
    partitions: request.array(() => {
      const [partition, offset] = [request.int32(), request.int64()]
      request.nullableString()
      return { partition, offset }
    }),
  }))
  // A member may commit while the others join.
  const fault = groupOf(group).heartbeat(memberId, generation)
  const error = fault === REBALANCE_IN_PROGRESS ? NONE : fault
  const answer = array(topics, ({ topic, partitions }) =>
    all(
      string(topic),
      array(partitions, ({ partition, offset }) => {
        if (error === NONE) storage.commit(group, placeOf(topic, partition), offset)
        return all(int32(partition), int16(error))
      }),
    ),
  )
  return all(THROTTLE, answer)
})

const offsetFetch = api(9, 4, (request, { storage }) => {
  const group = request.string()
  const topics = request.array(() => ({
    topic: request.string(),
    partitions: request.array(request.int32),
  }))
  const answer = array(topics, ({ topic, partitions }) =>
    all(
      string(topic),
      array(partitions, (partition) => {
        const offset = storage.committed(group, placeOf(topic, partition))
        return all(int32(partition), int64(offset), string(''), int16(NONE))
      }),
    ),
  )
  return all(THROTTLE, answer, int16(NONE))
})

const findCoordinator = api(10, 2, (_request, _broker, { host, port }) =>
  all(THROTTLE, int16(NONE), string(undefined), int32(NODE), string(host), int32(port)),
)

const joinGroup = api(11, 5, async (request, { groupOf }, { clientId }) => {
  const group = groupOf(request.string())
  const [sessionMs, rebalanceMs, memberId] = [request.int32(), request.int32(), request.string()]
  request.nullableString()
  request.string()
  const protocols = request.array(() => ({ name: request.string(), metadata: Buffer.from(request.bytes()) }))
  const joined = await group.join({ memberId, clientId, sessionMs, rebalanceMs, protocols })
  return all(
    all(THROTTLE, int16(joined.error), int32(joined.generation), string(joined.protocol)),
    all(string(joined.leader), string(joined.memberId)),
    array(joined.members, ({ id, metadata }) => all(string(id), string(undefined), bytes(metadata))),
  )
})

const syncGroup = api(14, 3, async (request, { groupOf }) => {
  const group = groupOf(request.string())
  const [generation, memberId] = [request.int32(), request.string()]
  request.nullableString()
  const shares = request.array(() => ({ id: request.string(), assignment: request.bytes() }))
  const { error, assignment } = await group.sync(memberId, generation, shares)
  return all(THROTTLE, int16(error), bytes(assignment))
})

const heartbeat = api(12, 3, (request, { groupOf }) => {
  const group = groupOf(request.string())
  const [generation, memberId] = [request.int32(), request.string()]
  return all(THROTTLE, int16(group.heartbeat(memberId, generation)))
})

const leaveGroup = api(13, 3, (request, { groupOf }) => {
  const group = groupOf(request.string())
  const ids = request.array(() => {
    const id = request.string()
    request.nullableString()
    return id
  })
  const answer = array(ids, (id) => all(string(id), string(undefined), int16(group.leave(id))))
  return all(THROTTLE, int16(NONE), answer)
})

export const groupApis = [
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  syncGroup,
  heartbeat,
  leaveGroup,
]
