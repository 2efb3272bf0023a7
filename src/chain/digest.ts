import { hash } from 'node:crypto'
import type { Recorded } from '../ports/event-store.ts'

/** The digest of a log without events. */
export const NO_DIGEST: Buffer = Buffer.alloc(32)
/** So many bytes of each event's hash are kept, to tell which event has changed. */
export const HASH_KEPT_BYTES = 8

/** All there is to an event but its position, as text; equal if the stored JSON is equal, byte for byte. */
export const lineOf = ({ stream, revision, id, type, data, meta }: Omit<Recorded, 'position'>) =>
  JSON.stringify([stream, revision, id, type, data, meta])

/** The sha256 of an event's line. */
export const hashOf = (event: Recorded): Buffer => hash('sha256', lineOf(event), 'buffer')

const joined = Buffer.alloc(64)

/** The digest of a log up to an event: sha256 of the digest before it and the event's hash, 32 bytes each. */
export const chained = (before: Buffer, eventHash: Buffer): Buffer => {
  joined.set(before, 0)
  joined.set(eventHash, 32)
  return hash('sha256', joined, 'buffer')
}
