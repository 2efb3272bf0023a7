import { Ajv, type ValidateFunction } from 'ajv'
import type { Message } from 'kafkajs'
import { publicTypes, type PublicEvent } from '../../domain/public-events.ts'
import {
  eventOfRecord,
  RECORD_VERSION,
  recordOf,
  recordSchema,
  type PublicRecord,
} from '../../domain/public-record.ts'
import { withFormats } from '../../formats.ts'

/** The record of a public event. Its time is that of publishing: retention goes by it. */
export const messageOf = (event: PublicEvent): Message & { readonly value: string } => ({
  key: event.key,
  value: JSON.stringify(recordOf(event)),
  headers: {
    'event-id': event.id,
    'event-type': event.type,
    'schema-version': String(RECORD_VERSION),
    'tenant-id': event.tenantId,
    'correlation-id': event.correlation,
    'causation-id': event.causation,
    'content-type': 'application/json',
  },
})

const ajv = withFormats(new Ajv({ strict: true }))
const checks = new Map<unknown, ValidateFunction<PublicRecord>>(
  publicTypes.map((type) => [type, ajv.compile<PublicRecord>(recordSchema(type))]),
)

export type Decoded = { readonly event: PublicEvent } | { readonly reason: string }

/** The event in the value of a record, or why there is none, without what is in it. */
export const decode = (value: Buffer | null): Decoded => {
  const record = parse(value)
  if (typeof record !== 'object' || record === null) return { reason: 'The value is not a JSON object' }
  const check = 'type' in record ? checks.get(record.type) : undefined
  if (!check) return { reason: 'The type is not one that is known here' }
  if (check(record)) return { event: eventOfRecord(record) }
  return { reason: ajv.errorsText(check.errors, { dataVar: 'value' }) }
}

const parse = (value: Buffer | null): unknown => {
  try {
    return JSON.parse(value?.toString() ?? '')
  } catch {
    return undefined
  }
}
