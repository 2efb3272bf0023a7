import { Metadata, status, type ServiceError } from '@grpc/grpc-js'
import { MAX_APPEND_BYTES, type Expected } from './log.ts'

/** Errors as the client tells them apart: by what the trailing metadata says. */
export const refusal = (
  code: status,
  details: string,
  trailing: Readonly<Record<string, string>> = {},
): ServiceError => {
  const metadata = new Metadata()
  for (const [key, value] of Object.entries(trailing)) metadata.set(key, value)
  return Object.assign(new Error(details), { code, details, metadata })
}

export const streamDeleted = (stream: string) =>
  refusal(status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': stream,
  })

export const tooLarge = () =>
  refusal(status.INVALID_ARGUMENT, 'Maximum Append Size Exceeded.', {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(MAX_APPEND_BYTES),
  })

const versionNumber = (expected: Expected | undefined) => {
  switch (expected) {
    case undefined:
    case 'no_stream':
      return '-1'
    case 'any':
      return '-2'
    case 'stream_exists':
      return '-4'
    default:
      return String(expected)
  }
}

export const wrongVersion = (stream: string, expected: Expected, current: bigint | undefined) =>
  refusal(status.FAILED_PRECONDITION, 'Append failed due to WrongExpectedVersion.', {
    exception: 'wrong-expected-version',
    'stream-name': stream,
    'expected-version': versionNumber(expected),
    'actual-version': versionNumber(current),
  })

export const unauthenticated = () => refusal(status.UNAUTHENTICATED, 'UnAuthenticated')

/** A place in the log at which no record begins. */
export const invalidPosition = () => refusal(status.UNKNOWN, 'Error while reading $all: invalid position')

export const tooBusy = () => refusal(status.UNAVAILABLE, 'Server Is Too Busy')
