import { createHash } from 'node:crypto'
import { Type, type Static } from 'typebox'
import { Metadata } from '../../domain/metadata.ts'
import { literals, Time, Uuid } from '../../domain/values.ts'
import type { Recorded } from '../../ports/event-store.ts'

/**
 * An export: lines of JSON. The first says what it is, the last how many events there are; each line between is one
 * event behind a checksum, which is over the checksum before it and the text of the event.
 */
const FORMAT = 'zapini-export'
/** A change that readers have to know of raises it. */
const FORMAT_VERSION = 1

export const Scope = Type.Union([
  Type.Object({ kind: Type.Literal('log') }),
  Type.Object({ kind: literals(['tenant', 'conversation']), id: Uuid }),
])
export type Scope = Static<typeof Scope>

export const Header = Type.Object({
  format: Type.Literal(FORMAT),
  version: Type.Literal(FORMAT_VERSION),
  scope: Scope,
  at: Time,
  /** Version of the program that wrote it. */
  zapini: Type.String(),
  /** Id of the first event. */
  firstEvent: Uuid,
})
export type Header = Static<typeof Header>

export const ExportedEvent = Type.Object({
  stream: Type.String({ pattern: '^[a-z]+-.' }),
  revision: Type.Integer({ minimum: 0 }),
  id: Uuid,
  type: Type.String(),
  data: Type.Object({}),
  meta: Metadata,
  /** Its key is destroyed: `data` is as it is stored, sealed for good. */
  erased: Type.Optional(Type.Literal(true)),
})
export type ExportedEvent = Omit<Recorded, 'position'>

export const End = Type.Object({ events: Type.Integer({ minimum: 1 }), checksum: Type.String() })
export type End = Static<typeof End>

/** The checksum of each line: called with its text, or that of its event, one after the other. */
export const createChain = () => {
  let checksum = ''
  return (text: string): string =>
    (checksum = createHash('sha256').update(checksum).update(text).digest('hex'))
}

export const headerText = (header: Omit<Header, 'format' | 'version'>): string =>
  JSON.stringify({ format: FORMAT, version: FORMAT_VERSION, ...header } satisfies Header)

export const eventText = ({ stream, revision, id, type, data, meta, erased }: Recorded): string =>
  JSON.stringify({ stream, revision, id, type, data, meta, ...(erased && { erased }) })

const BEFORE = '{"checksum":"'
const BETWEEN = '","event":'
const AFTER = '}'
const CHECKSUM_LENGTH = 64
const EVENT_AT = BEFORE.length + CHECKSUM_LENGTH + BETWEEN.length

/** The line of an event, laid out so that the text under the checksum can be cut out of it again as it is. */
export const eventLine = (checksum: string, text: string) => BEFORE + checksum + BETWEEN + text + AFTER

/** The parts of such a line; undefined for any other. */
export const partsOfLine = (line: string): { checksum: string; text: string } | undefined => {
  const checksum = line.slice(BEFORE.length, BEFORE.length + CHECKSUM_LENGTH)
  const text = line.slice(EVENT_AT, -AFTER.length)
  return eventLine(checksum, text) === line ? { checksum, text } : undefined
}
