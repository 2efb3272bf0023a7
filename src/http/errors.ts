import { type ErrorCode, Refusal } from '../domain/errors.ts'
import { AppendTooLarge } from '../ports/event-store.ts'

/** Status of each error code. The reference's table, and 405, 409, 413, 415, 416 and 503 where nothing in it fits. */
export const statusOf: Readonly<Record<ErrorCode, number>> = {
  MALFORMED_REQUEST: 400,
  UNAUTHENTICATED: 401,
  INVALID_CREDENTIALS: 401,
  FORBIDDEN: 403,
  TENANT_DISABLED: 403,
  AUTOMATION_ACTIVE: 403,
  NOT_FOUND: 404,
  QR_NOT_AVAILABLE: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  IDEMPOTENCY_KEY_REUSED: 409,
  INSTANCE_NOT_CONNECTED: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  RANGE_NOT_SATISFIABLE: 416,
  VALIDATION_FAILED: 422,
  INSTANCE_REQUIRED: 422,
  CONVERSATION_NOT_ARCHIVED: 422,
  MEDIA_UNAVAILABLE: 422,
  SEND_FAILED: 422,
  REFUSED_BY_WHATSAPP: 422,
  QUOTA_EXCEEDED: 429,
  RATE_LIMITED: 429,
  INTERNAL_ERROR: 500,
  UNAVAILABLE: 503,
}

export type ErrorAnswer = {
  readonly status: number
  readonly code: ErrorCode
  readonly headers: Readonly<Record<string, string>>
  readonly body: { readonly success: false; readonly error: Readonly<Record<string, unknown>> }
  /** Ours to look into: it is logged with its stack. */
  readonly fault: boolean
}

const RETRY_AFTER_SECONDS = '5'

/**
 * What the client is told about anything thrown: a Refusal as it is, what is too large to be stored as 413, storage out
 * of reach as 503, all else as 500 with nothing but the request id to quote.
 */
export const answerTo = (thrown: unknown, requestId: string): ErrorAnswer => {
  if (thrown instanceof Refusal) return answer(thrown, thrown.code === 'INTERNAL_ERROR')
  if (thrown instanceof AppendTooLarge) return answer(new Refusal('PAYLOAD_TOO_LARGE', tooLarge), true)
  if (isUnavailable(thrown)) return answer(new Refusal('UNAVAILABLE', unavailable), true)
  return answer(new Refusal('INTERNAL_ERROR', internal, { request_id: requestId }), true)
}
const unavailable = 'The service cannot reach its storage at the moment. Try again in a few seconds.'
const tooLarge = 'This is more than can be stored at once. Send less of it.'
const internal =
  'Something went wrong on our side. Try again; if it stays, quote the request id to your operator.'

const answer = ({ code, message, details }: Refusal, fault: boolean): ErrorAnswer => ({
  status: statusOf[code],
  code,
  headers: headersOf(code, details),
  // The reference shows the conversation beside code and message, not in `details`.
  body: {
    success: false,
    error: code === 'AUTOMATION_ACTIVE' ? { code, message, ...details } : { code, message, details },
  },
  fault,
})

const retryAfterOf = ({ retry_after: seconds }: Refusal['details']) =>
  typeof seconds === 'number' ? String(seconds) : RETRY_AFTER_SECONDS

const headersOf = (code: ErrorCode, details: Refusal['details']): Record<string, string> => {
  if (code === 'RATE_LIMITED' || code === 'QUOTA_EXCEEDED') return { 'Retry-After': retryAfterOf(details) }
  if (code === 'UNAVAILABLE') return { 'Retry-After': RETRY_AFTER_SECONDS }
  if (code === 'RANGE_NOT_SATISFIABLE') return { 'Content-Range': `bytes */${String(details['size'])}` }
  if (statusOf[code] === 401) return { 'WWW-Authenticate': 'Bearer' }
  return {}
}

/** Connection refused, reset or shut down, too many connections, and PostgreSQL's class 08 (connection exceptions). */
const connectionCode = /^(ECONNREFUSED|ECONNRESET|57P01|57P02|57P03|53300|08...)$/
/** What `pg` throws without a code when a connection is lost or cannot be had. */
const connectionMessage =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/

const isUnavailable = (thrown: unknown): boolean => {
  if (!(thrown instanceof Error)) return false
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : ''
  return (
    thrown.name === 'StoreUnavailable' ||
    connectionCode.test(code) ||
    connectionMessage.test(thrown.message) ||
    isUnavailable(thrown.cause)
  )
}
