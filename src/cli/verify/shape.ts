import { Ajv } from 'ajv'
import { catalogue, upcast } from '../../domain/catalogue.ts'
import { Metadata } from '../../domain/metadata.ts'
import { withFormats } from '../../formats.ts'
import type { Recorded } from '../../ports/event-store.ts'
import { validateEvent } from '../../write/validate-event.ts'
import type { LogDifference } from './findings.ts'

const ajv = withFormats(new Ajv({ allErrors: true }))
const isMetadata = ajv.compile(Metadata)

type Wrong = Pick<LogDifference, 'kind' | 'what'>

/** What is wrong with the type and the version of an event, as it is stored; undefined if this program knows them. */
export const wrongType = ({ type, meta }: Recorded): Wrong | undefined => {
  const schema = catalogue[type]
  if (!schema) return { kind: 'type', what: 'is of a type that this program does not know' }
  if (!isMetadata(meta))
    return {
      kind: 'schema',
      what: `has metadata that do not fit: ${ajv.errorsText(isMetadata.errors, { dataVar: 'meta' })}`,
    }
  if (meta.version > schema.version)
    return { kind: 'type', what: `is of version ${meta.version}; this program knows ${schema.version}` }
  return undefined
}

/** What is wrong with the data of an event of a known type, once it is opened. */
export const wrongData = (event: Recorded): Wrong | undefined => {
  try {
    validateEvent(upcast(event))
    return undefined
  } catch (error) {
    return { kind: 'schema', what: error instanceof Error ? error.message : String(error) }
  }
}
