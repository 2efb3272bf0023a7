import type { sendUnaryData, ServerDuplexStream, ServerReadableStream } from '@grpc/grpc-js'
import codes from '@eventstore/db-client/generated/code_pb.js'
import type { Code } from '@eventstore/db-client/generated/code_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import statuses from '@eventstore/db-client/generated/status_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type {
  AppendReq,
  AppendResp,
  BatchAppendReq,
  BatchAppendResp,
} from '@eventstore/db-client/generated/streams_pb.js'
import anything from 'google-protobuf/google/protobuf/any_pb.js'
import empty from 'google-protobuf/google/protobuf/empty_pb.js'
import { MAX_APPEND_BYTES, type Expected, type Log, type Outcome, type Proposed } from './log.ts'
import { expectedIn, identifierOf, nameIn, proposedIn, uuidIn } from './messages.ts'
import { streamDeleted, tooLarge, wrongVersion } from './refusals.ts'

type Began = { readonly stream: string; readonly expected: Expected; readonly events: Proposed[] }

/** All appends of a client on one long call, each answered once, in order. */
export const batchAppend = (log: Log, call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>) => {
  const begun = new Map<string, Began>()
  call.on('data', (request: BatchAppendReq) => {
    const id = uuidIn(request.getCorrelationId())
    const options = request.getOptions()
    if (options)
      begun.set(id, {
        stream: nameIn(options.getStreamIdentifier()),
        expected: expectedIn(options, () => options.getStreamPosition()),
        events: [],
      })
    const append = begun.get(id)
    if (!append) return
    append.events.push(...request.getProposedMessagesList().map(proposedIn))
    if (!request.getIsFinal()) return
    begun.delete(id)
    const { stream, expected, events } = append
    const answer = batchAnswer(append, log.append(stream, expected, events))
    answer.setCorrelationId(request.getCorrelationId())
    call.write(answer)
  })
  call.on('end', () => call.end())
  call.on('error', () => {})
}

const batchAnswer = ({ stream, expected }: Began, outcome: Outcome): BatchAppendResp => {
  const answer = new streams.BatchAppendResp()
  answer.setStreamIdentifier(identifierOf(stream))
  const refuse = (code: Code, name: string, detail: { serializeBinary(): Uint8Array }) => {
    const details = new anything.Any()
    details.pack(detail.serializeBinary(), `event_store.client.${name}`)
    const refused = new statuses.Status()
    refused.setMessage(name)
    refused.setCode(code)
    refused.setDetails(details)
    answer.setError(refused)
  }
  switch (outcome.kind) {
    case 'written': {
      const position = new shared.AllStreamPosition()
      position.setCommitPosition(String(outcome.position))
      position.setPreparePosition(String(outcome.position))
      const success = new streams.BatchAppendResp.Success()
      success.setCurrentRevision(String(outcome.revision))
      success.setPosition(position)
      answer.setSuccess(success)
      break
    }
    case 'wrong-version':
      refuse(codes.Code.ALREADY_EXISTS, 'WrongExpectedVersion', versionDetails(expected, outcome.current))
      break
    case 'deleted': {
      const detail = new shared.StreamDeleted()
      detail.setStreamIdentifier(identifierOf(stream))
      refuse(codes.Code.NOT_FOUND, 'StreamDeleted', detail)
      break
    }
    case 'too-large': {
      const detail = new shared.MaximumAppendSizeExceeded()
      detail.setMaxappendsize(MAX_APPEND_BYTES)
      refuse(codes.Code.INVALID_ARGUMENT, 'MaximumAppendSizeExceeded', detail)
      break
    }
  }
  return answer
}

const versionDetails = (expected: Expected, current: bigint | undefined) => {
  const detail = new shared.WrongExpectedVersion()
  if (current === undefined) detail.setCurrentNoStream(new empty.Empty())
  else detail.setCurrentStreamRevision(String(current))
  if (expected === 'any') detail.setExpectedAny(new empty.Empty())
  else if (expected === 'no_stream') detail.setExpectedNoStream(new empty.Empty())
  else if (expected === 'stream_exists') detail.setExpectedStreamExists(new empty.Empty())
  else detail.setExpectedStreamPosition(String(expected))
  return detail
}

/** One append as a call of its own, as older clients and those with credentials for each call make it. */
export const append = (
  log: Log,
  call: ServerReadableStream<AppendReq, AppendResp>,
  answer: sendUnaryData<AppendResp>,
) => {
  let begun: Began | undefined
  call.on('data', (request: AppendReq) => {
    const options = request.getOptions()
    if (options)
      begun = {
        stream: nameIn(options.getStreamIdentifier()),
        expected: expectedIn(options, () => options.getRevision()),
        events: [],
      }
    const message = request.getProposedMessage()
    if (message) begun?.events.push(proposedIn(message))
  })
  call.on('error', () => {})
  call.on('end', () => {
    if (!begun) return
    const { stream, expected, events } = begun
    const outcome = log.append(stream, expected, events)
    switch (outcome.kind) {
      case 'written':
        return answer(null, appended(outcome))
      case 'wrong-version':
        return answer(wrongVersion(stream, expected, outcome.current))
      case 'deleted':
        return answer(streamDeleted(stream))
      case 'too-large':
        return answer(tooLarge())
    }
  })
}

const appended = ({ revision, position }: Outcome & { kind: 'written' }) => {
  const place = new streams.AppendResp.Position()
  place.setCommitPosition(String(position))
  place.setPreparePosition(String(position))
  const success = new streams.AppendResp.Success()
  success.setCurrentRevision(String(revision))
  success.setPosition(place)
  const response = new streams.AppendResp()
  response.setSuccess(success)
  return response
}
