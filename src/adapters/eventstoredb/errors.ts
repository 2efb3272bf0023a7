import { ErrorType, isCommandError } from '@eventstore/db-client'

/**
 * What an error of the client means. `lost`: there is no answer that can be relied on, so that an append may or may not
 * have happened; the same call may be made again.
 */
export type Fault = 'conflict' | 'not-found' | 'tombstoned' | 'too-large' | 'refused' | 'lost'

const CANCELLED = 1
const UNKNOWN = 2
const PERMISSION_DENIED = 7
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16

/** The gRPC status of an error; undefined where no server answered, and where the answer was one of many on one call. */
const statusOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

export const faultOf = (error: unknown): Fault => {
  if (!(error instanceof Error) || !isCommandError(error)) {
    const status = statusOf(error)
    return status === PERMISSION_DENIED || status === UNAUTHENTICATED ? 'refused' : 'lost'
  }
  switch (error.type) {
    case ErrorType.WRONG_EXPECTED_VERSION:
      return 'conflict'
    case ErrorType.STREAM_NOT_FOUND:
    case ErrorType.NO_STREAM:
      return 'not-found'
    case ErrorType.STREAM_DELETED:
      return 'tombstoned'
    case ErrorType.MAXIMUM_APPEND_SIZE_EXCEEDED:
      return 'too-large'
    case ErrorType.ACCESS_DENIED:
    case ErrorType.INVALID_ARGUMENT:
    case ErrorType.UNSUPPORTED:
      return 'refused'
    default:
      // Not there, not the leader, too late, cancelled, and "unknown", by which a batch says that a server is busy.
      return 'lost'
  }
}

/**
 * The server itself found no answer to a read, as to one from a position at which no event begins: it would find none
 * the next time.
 */
export const isUnreadable = (error: unknown): boolean => statusOf(error) === UNKNOWN

/**
 * Where the client asks what the server can do and the question fails, it keeps the failure for ever, unless it is one
 * of those by which it takes its connection for broken. Such errors are not of its own classes.
 */
export const isKeptForEver = (error: unknown): boolean =>
  error instanceof Error &&
  !isCommandError(error) &&
  statusOf(error) !== UNAVAILABLE &&
  statusOf(error) !== CANCELLED

/** After these the client opens another connection, and leaves the one that it has to whoever still uses it. */
export const isLeaving = (error: unknown): boolean =>
  error instanceof Error &&
  isCommandError(error) &&
  (error.type === ErrorType.UNAVAILABLE ||
    error.type === ErrorType.CANCELLED ||
    error.type === ErrorType.NOT_LEADER)
