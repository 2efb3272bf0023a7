import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type {
  DeleteReq,
  DeleteResp,
  TombstoneReq,
  TombstoneResp,
} from '@eventstore/db-client/generated/streams_pb.js'
import type { Expected, Log, Outcome } from './log.ts'
import { expectedIn, nameIn } from './messages.ts'
import { streamDeleted, tooLarge, wrongVersion } from './refusals.ts'

const settle = <R>(
  stream: string,
  expected: Expected,
  outcome: Outcome,
  answer: sendUnaryData<R>,
  done: (position: bigint) => R,
) => {
  switch (outcome.kind) {
    case 'written':
      return answer(null, done(outcome.position))
    case 'wrong-version':
      return answer(wrongVersion(stream, expected, outcome.current))
    case 'deleted':
      return answer(streamDeleted(stream))
    case 'too-large':
      return answer(tooLarge())
  }
}

const asked = (request: DeleteReq | TombstoneReq) => {
  const options = request.getOptions()
  if (!options) throw new Error('A delete without options')
  return {
    stream: nameIn(options.getStreamIdentifier()),
    expected: expectedIn(options, () => options.getRevision()),
  }
}

/** The events of the stream are gone from sight; what is appended later goes on after them. */
export const softDelete = (
  log: Log,
  call: ServerUnaryCall<DeleteReq, DeleteResp>,
  answer: sendUnaryData<DeleteResp>,
) => {
  const { stream, expected } = asked(call.request)
  settle(stream, expected, log.remove(stream, expected, 'soft'), answer, (position) => {
    const place = new streams.DeleteResp.Position()
    place.setCommitPosition(String(position))
    place.setPreparePosition(String(position))
    const response = new streams.DeleteResp()
    response.setPosition(place)
    return response
  })
}

/** The stream takes nothing ever again. */
export const tombstone = (
  log: Log,
  call: ServerUnaryCall<TombstoneReq, TombstoneResp>,
  answer: sendUnaryData<TombstoneResp>,
) => {
  const { stream, expected } = asked(call.request)
  settle(stream, expected, log.remove(stream, expected, 'tombstone'), answer, (position) => {
    const place = new streams.TombstoneResp.Position()
    place.setCommitPosition(String(position))
    place.setPreparePosition(String(position))
    const response = new streams.TombstoneResp()
    response.setPosition(place)
    return response
  })
}
