import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { StreamIdentifier, UUID } from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type { AppendReq, BatchAppendReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js'
import type { Expected, Log, Proposed, Stored } from './log.ts'

/** What the protocol sends and what the log knows, each in terms of the other. */

export const nameIn = (identifier: StreamIdentifier | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8')

export const identifierOf = (name: string): StreamIdentifier => {
  const identifier = new shared.StreamIdentifier()
  identifier.setStreamName(Buffer.from(name).toString('base64'))
  return identifier
}

export const uuidIn = (uuid: UUID | undefined): string => {
  if (!uuid) return ''
  if (!uuid.hasStructured()) return uuid.getString()
  const structured = uuid.getStructured()
  const half = (text = '0') => BigInt.asUintN(64, BigInt(text)).toString(16).padStart(16, '0')
  const hex = half(structured?.getMostSignificantBits()) + half(structured?.getLeastSignificantBits())
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

const uuidOf = (id: string): UUID => {
  const uuid = new shared.UUID()
  uuid.setString(id)
  return uuid
}

export const proposedIn = (
  message: AppendReq.ProposedMessage | BatchAppendReq.ProposedMessage,
): Proposed => ({
  id: uuidIn(message.getId()),
  type: message.getMetadataMap().get('type') ?? '',
  isJson: message.getMetadataMap().get('content-type') === 'application/json',
  data: Buffer.from(message.getData_asU8()),
  metadata: Buffer.from(message.getCustomMetadata_asU8()),
})

type Expecting = { hasAny(): boolean; hasNoStream(): boolean; hasStreamExists(): boolean }
export const expectedIn = (options: Expecting, revision: () => string): Expected => {
  if (options.hasAny()) return 'any'
  if (options.hasNoStream()) return 'no_stream'
  return options.hasStreamExists() ? 'stream_exists' : BigInt(revision())
}

const recordOf = ({ id, stream, revision, position, type, isJson, created, data, metadata }: Stored) => {
  const record = new streams.ReadResp.ReadEvent.RecordedEvent()
  record.setId(uuidOf(id))
  record.setStreamIdentifier(identifierOf(stream))
  record.setStreamRevision(String(revision))
  record.setCommitPosition(String(position))
  record.setPreparePosition(String(position))
  record.getMetadataMap().set('type', type)
  record.getMetadataMap().set('created', String(created))
  record.getMetadataMap().set('content-type', isJson ? 'application/json' : 'application/octet-stream')
  record.setCustomMetadata(metadata)
  record.setData(data)
  return record
}

const LINK = '$>'

const readEvent = (log: Log, stored: Stored, resolvesLinks: boolean): ReadResp => {
  const event = new streams.ReadResp.ReadEvent()
  const [revision = '', ...name] = stored.data.toString().split('@')
  if (resolvesLinks && stored.type === LINK) {
    const target = log.eventAt(name.join('@'), Number(revision))
    if (target) event.setEvent(recordOf(target))
    event.setLink(recordOf(stored))
  } else event.setEvent(recordOf(stored))
  event.setCommitPosition(String(stored.position))
  const answer = new streams.ReadResp()
  answer.setEvent(event)
  return answer
}

/** An event as it goes over the wire, made once however often it is read. */
export const createEncoder = (log: Log) => {
  const made = new WeakMap<Stored, Buffer>()
  return (stored: Stored, resolvesLinks: boolean): Buffer => {
    const known = made.get(stored)
    if (known && !(resolvesLinks && stored.type === LINK)) return known
    const bytes = Buffer.from(readEvent(log, stored, resolvesLinks).serializeBinary())
    if (stored.type !== LINK) made.set(stored, bytes)
    return bytes
  }
}

export const confirmation = (id: string): ReadResp => {
  const content = new streams.ReadResp.SubscriptionConfirmation()
  content.setSubscriptionId(id)
  const answer = new streams.ReadResp()
  answer.setConfirmation(content)
  return answer
}

export const caughtUp = (): ReadResp => {
  const answer = new streams.ReadResp()
  answer.setCaughtUp(new streams.ReadResp.CaughtUp())
  return answer
}

export const checkpoint = (position: bigint): ReadResp => {
  const content = new streams.ReadResp.Checkpoint()
  content.setCommitPosition(String(position))
  content.setPreparePosition(String(position))
  const answer = new streams.ReadResp()
  answer.setCheckpoint(content)
  return answer
}

export const streamNotFound = (name: string): ReadResp => {
  const content = new streams.ReadResp.StreamNotFound()
  content.setStreamIdentifier(identifierOf(name))
  const answer = new streams.ReadResp()
  answer.setStreamNotFound(content)
  return answer
}
