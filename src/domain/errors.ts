/** The closed list of error codes. The domain throws a code; `http/errors.ts` maps it to a status. */
export const errorCodes = [
  'MALFORMED_REQUEST',
  'UNAUTHENTICATED',
  'INVALID_CREDENTIALS',
  'FORBIDDEN',
  'TENANT_DISABLED',
  'AUTOMATION_ACTIVE',
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'CONFLICT',
  'IDEMPOTENCY_KEY_REUSED',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'RANGE_NOT_SATISFIABLE',
  'VALIDATION_FAILED',
  'INSTANCE_REQUIRED',
  'INSTANCE_NOT_CONNECTED',
  'QR_NOT_AVAILABLE',
  'CONVERSATION_NOT_ARCHIVED',
  'MEDIA_UNAVAILABLE',
  'SEND_FAILED',
  'REFUSED_BY_WHATSAPP',
  'QUOTA_EXCEEDED',
  'RATE_LIMITED',
  'INTERNAL_ERROR',
  'UNAVAILABLE',
] as const
export type ErrorCode = (typeof errorCodes)[number]

/** A refusal that its caller can understand and act on; everything else that is thrown is a fault of ours. */
export class Refusal extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>
  constructor(code: ErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.name = 'Refusal'
    this.code = code
    this.details = details
  }
}

export const notFound = (what: string) => new Refusal('NOT_FOUND', `${what} not found.`)

/** A rule of the input was broken: `field` names where, `message` says what to do. */
export const invalid = (field: string, message: string) =>
  new Refusal('VALIDATION_FAILED', 'The request is not valid.', { [field]: [message] })
