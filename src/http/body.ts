import type { IncomingMessage } from 'node:http'
import getRawBody from 'raw-body'
import { Refusal } from '../domain/errors.ts'
import { storable } from '../domain/storable.ts'
import { isObject } from '../domain/values.ts'

export type BodyLimits = { readonly bodyLimitBytes: number; readonly bodyTimeoutMs: number }

export const noBody: Buffer = Buffer.alloc(0)

/**
 * Reads the whole body of a request, at most `bodyLimitBytes` of it and for at most `bodyTimeoutMs`. Throws
 * PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE or MALFORMED_REQUEST.
 */
export const readBody = async (request: IncomingMessage, limits: BodyLimits): Promise<Buffer> => {
  const {
    'content-length': length,
    'transfer-encoding': transfer,
    'content-encoding': encoding,
  } = request.headers
  if (length === '0' || (length === undefined && transfer === undefined)) return noBody
  if (encoding !== undefined && encoding !== 'identity')
    throw new Refusal('UNSUPPORTED_MEDIA_TYPE', 'Send the body uncompressed, without Content-Encoding.')
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late(limits.bodyTimeoutMs)), limits.bodyTimeoutMs)
    getRawBody(request, { length: length ?? null, limit: limits.bodyLimitBytes }, (error, body) => {
      clearTimeout(timer)
      if (error) reject(unreadable(error, limits.bodyLimitBytes))
      else resolve(body)
    })
  })
}

const late = (timeoutMs: number) => malformed(`The body did not arrive within ${timeoutMs / 1000} seconds.`)

const unreadable = (error: getRawBody.RawBodyError, limitBytes: number): Refusal =>
  error.type === 'entity.too.large'
    ? new Refusal('PAYLOAD_TOO_LARGE', `The body is larger than the ${limitBytes} bytes allowed.`)
    : malformed('The body ended before it was complete.')

const jsonType = /^\s*application\/([\w.-]+\+)?json\s*(;|$)/i
/** Escapes of characters that PostgreSQL cannot store; only through an escape can they come out of valid JSON. */
const unstorableEscape = /\\u(0000|d[89a-f])/i
/** Shorter texts cannot nest deep enough to exhaust the stack of whoever walks the value. */
const SHALLOW_LENGTH = 10_000
const NESTING_MAX = 100

/**
 * The JSON object in a body; an empty body counts as `{}`. NUL characters are removed and halves of surrogate pairs
 * replaced. Throws UNSUPPORTED_MEDIA_TYPE or MALFORMED_REQUEST.
 */
export const parseBody = (raw: Buffer, contentType: string | undefined): Record<string, unknown> => {
  if (raw.length === 0) return {}
  if (contentType === undefined || !jsonType.test(contentType))
    throw new Refusal(
      'UNSUPPORTED_MEDIA_TYPE',
      'Send JSON, with the header "Content-Type: application/json".',
    )
  const text = raw.toString('utf8')
  const value = parseJson(text)
  if (!isObject(value)) throw malformed('The body must be a JSON object.')
  return text.length > SHALLOW_LENGTH || unstorableEscape.test(text) ? storableFields(value) : value
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    // The engine's words give the position, or quote what stands around it.
    throw malformed(`The body is not valid JSON: ${error instanceof Error ? error.message : 'unreadable'}`)
  }
}

const malformed = (message: string) => new Refusal('MALFORMED_REQUEST', message)

const storableValue = (value: unknown, depth: number): unknown => {
  if (typeof value === 'string') return storable(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth === NESTING_MAX) throw malformed(`The body is nested more than ${NESTING_MAX} levels deep.`)
  if (Array.isArray(value)) return value.map((item) => storableValue(item, depth + 1))
  return storableFields(value, depth + 1)
}

/** An object with all its text, keys included, made storable. Throws MALFORMED_REQUEST if it is nested too deep. */
export const storableFields = (value: object, depth = 0): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).map(([key, item]) => [storable(key), storableValue(item, depth)]))
