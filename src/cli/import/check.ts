import { Ajv } from 'ajv'
import { isUuid } from '../../domain/values.ts'
import { catalogue, upcast } from '../../domain/catalogue.ts'
import { withFormats } from '../../formats.ts'
import { sealOf } from '../../seal.ts'
import { validateEvent } from '../../write/validate-event.ts'
import { End, ExportedEvent, Header } from '../export/format.ts'

const ajv = withFormats(new Ajv())
const isHeader = ajv.compile<Header>(Header)
const isEnd = ajv.compile<End>(End)
const isEvent = ajv.compile<ExportedEvent>(ExportedEvent)

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** How gzip begins, read as text. */
const GZIP = '\u001f\ufffd'

/** The first line of an export, or words for what it is instead. */
export const readHeader = (line: string): Header | string => {
  if (line.startsWith(GZIP)) return 'is compressed: "gunzip < FILE | zapini import -"'
  const header = parsed(line)
  if (isHeader(header)) return header
  const other = header as { readonly version?: unknown } | null | undefined
  return typeof other?.version === 'number' && other.version > 1
    ? `is of version ${other.version} of the format, which this program does not know`
    : 'is not how an export of Zapini begins'
}

export const readEnd = (line: string): End | undefined => {
  const end = parsed(line)
  return isEnd(end) ? end : undefined
}

/** An event from its text; throws with words for people unless this program knows it, and it fits its schema. */
export const checkEvent = (text: string): ExportedEvent => {
  const event = parsed(text)
  if (!isEvent(event)) throw new Error('is not an event')
  const { type, meta } = event
  const schema = catalogue[type]
  if (!schema) throw new Error(`is a ${type}, which this program does not know`)
  if (meta.version > schema.version)
    throw new Error(
      `is a ${type} of version ${meta.version}; this program knows no later one than ${schema.version}`,
    )
  const seal = sealOf(event)
  // What is sealed for good fits no schema any more.
  if (event.erased && seal && isUuid(seal.key)) return event
  if (seal) throw new Error('is sealed, with a key that is not in it')
  try {
    validateEvent(upcast(event))
    return event
  } catch (error) {
    throw new Error(`does not fit its schema: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}
