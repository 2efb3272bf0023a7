import { pino, type DestinationStream, type Logger } from 'pino'

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]
export type Log = Logger

/** Lines leave together: so many bytes, or what there is after so long; all of them when the process ends by itself. */
const WRITE_BYTES = 4096
const WRITE_MS = 100

/**
 * JSON lines on standard output, or on the stream given. Of an error only type, code, message and stack are logged:
 * other fields, such as a database error's `detail`, quote data.
 */
export const createLog = (level: LogLevel, destination?: DestinationStream): Log =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => censored(fields, DEPTH_MAX),
        bindings: (fields) => censored(fields, DEPTH_MAX),
      },
      serializers: { err: describeError },
    },
    destination ??
      pino.destination({ dest: 1, sync: false, minLength: WRITE_BYTES, periodicFlush: WRITE_MS }),
  )

/** Fields that never reach the log. */
const hidden: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'token',
  'secret',
  'password',
  'text',
  'content',
  'message_body',
  'caption',
  'phone_number',
  'recipient',
])
const DEPTH_MAX = 4
type Fields = Record<string, unknown>

/** The fields with the hidden ones censored, whatever depth they stand at; pino's own redaction has to be told each depth. */
const censored = (fields: Fields, depth: number): Fields => {
  const safe: Fields = {}
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (hidden.has(name)) safe[name] = '[hidden]'
    else safe[name] = typeof value === 'object' && value !== null ? censoredObject(value, depth - 1) : value
  }
  return safe
}

const censoredObject = (value: object, depth: number): unknown => {
  if (depth === 0) return '[deeper]'
  if (Array.isArray(value)) return value.map((item: unknown) => censored({ item }, depth)['item'])
  return Object.getPrototypeOf(value) === Object.prototype ? censored({ ...value }, depth) : value
}

const describeError = (error: unknown): unknown =>
  error instanceof Error
    ? {
        type: error.name,
        ...('code' in error && { code: error.code }),
        message: error.message,
        stack: error.stack,
        ...(error.cause !== undefined && { cause: describeError(error.cause) }),
      }
    : { message: String(error) }
