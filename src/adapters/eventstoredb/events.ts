import type { EventData, ResolvedEvent } from '@eventstore/db-client'
import type { Metadata } from '../../domain/metadata.ts'
import { isObject, isUuid } from '../../domain/values.ts'
import { AppendTooLarge, type NewEvent, type Position, type Recorded } from '../../ports/event-store.ts'

/** A server takes 1 MiB at once, unless it is told otherwise; how it counts is its own affair. */
const APPEND_MAX_BYTES = 1_000_000
const NIL = '00000000-0000-0000-0000-000000000000'
const SYSTEM = '$'
/** What a server or a later commit position may say instead of a position that it does not know. */
const POSITION_END = 2n ** 63n

/** A first event can be at commit position 0, and START is before it. */
export const positionAt = (commit: bigint): Position => commit + 1n
/** The commit position of the event at a position; undefined for the start of the log. */
export const commitOf = (position: Position): bigint | undefined =>
  position > 0n ? position - 1n : undefined
export const isPosition = (commit: bigint) => commit >= 0n && commit < POSITION_END

const fieldsOf = (value: object, what: string): Record<string, unknown> => {
  if (!isObject(value)) throw new TypeError(`${what} is not an object`)
  return { ...value }
}

/** Events as the client wants them. Throws for what a server would refuse, and for what would end the process. */
export const toStore = (stream: string, events: readonly NewEvent[]): EventData[] => {
  if (events.length === 0) throw new TypeError('An append without events')
  if (stream.startsWith(SYSTEM) || stream === '')
    throw new TypeError(`"${stream}" cannot be the name of a stream`)
  let bytes = 0
  const stored = events.map(({ id, type, data, meta }): EventData => {
    if (!isUuid(id) || id === NIL) throw new TypeError(`The id of an event must be a uuid, not "${id}"`)
    if (type === '' || type.startsWith(SYSTEM))
      throw new TypeError(`"${type}" cannot be the type of an event`)
    const fields = fieldsOf(data, `The data of ${type}`)
    const metadata = new TextEncoder().encode(JSON.stringify(fieldsOf(meta, `The metadata of ${type}`)))
    bytes += Buffer.byteLength(JSON.stringify(fields)) + metadata.length + 2 * type.length
    // The client makes JSON of the data itself, and can now do so.
    return { id, type, contentType: 'application/json', data: fields, metadata }
  })
  if (bytes > APPEND_MAX_BYTES)
    throw new AppendTooLarge(`${bytes} bytes at once; the event store takes ${APPEND_MAX_BYTES}`)
  return stored
}

/** As far as it tells ours from others'. */
const isMetadata = (value: unknown): value is Metadata =>
  isObject(value) && typeof value['tenant'] === 'string' && typeof value['version'] === 'number'

/**
 * An event as we know it; undefined for what is not ours: other prefixes, system streams and events, links, bytes, and
 * data or metadata that we would not have written. JSON that cannot be parsed comes from the client as text.
 */
export const ours = ({ event }: ResolvedEvent, prefix: string): Recorded | undefined => {
  if (!event?.position || !event.isJson) return undefined
  const { id, streamId, type, revision, data, metadata, position } = event
  if (!streamId.startsWith(prefix) || streamId.startsWith(SYSTEM) || type.startsWith(SYSTEM)) return undefined
  if (!isObject(data) || !isMetadata(metadata)) return undefined
  return {
    id,
    stream: streamId.slice(prefix.length),
    revision: Number(revision),
    position: positionAt(position.commit),
    type,
    data,
    meta: metadata,
  }
}

/** Where an event is in the log, whoever wrote it; undefined for a link to what is gone. */
export const commitIn = ({ event, link, commitPosition }: ResolvedEvent): bigint | undefined =>
  commitPosition ?? (link ?? event)?.position?.commit
