import { pino, type DestinationStream, type Logger } from 'pino'

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]
export type Log = Logger

/** Fields that never reach the log, at the top of a line or one level down. */
const hidden = [
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
]

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
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: hidden.flatMap((field) => [field, `*.${field}`]), censor: '[hidden]' },
      serializers: { err: describeError },
    },
    destination ?? pino.destination({ dest: 1, sync: false }),
  )

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
