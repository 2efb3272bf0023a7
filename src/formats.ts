import type { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { isUuid } from './domain/values.ts'

/**
 * Teaches the formats that schemas name. A UUID is one as PostgreSQL reads it: without `urn:uuid:` before it, which the
 * usual check would let through.
 */
export const withFormats = (ajv: Ajv): Ajv => {
  addFormats.default(ajv)
  ajv.addFormat('uuid', isUuid)
  return ajv
}
