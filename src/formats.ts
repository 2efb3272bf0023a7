import type { Ajv } from 'ajv'
import addFormats from 'ajv-formats'

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/**
 * Teaches the formats that schemas name. A UUID is one as PostgreSQL reads it: without `urn:uuid:` before it, which the
 * usual check would let through.
 */
export const withFormats = (ajv: Ajv): Ajv => {
  addFormats.default(ajv)
  ajv.addFormat('uuid', uuid)
  return ajv
}
