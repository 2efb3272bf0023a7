import { Refusal } from '../../domain/errors.ts'
import { CallRefused } from './ask.ts'
import type { Ending } from './reconnect.ts'

/** Nobody took the bytes of a call in time. */
const TIMED_OUT = 408
const CONNECTION_CLOSED = 428

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

const numberIn = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** What the library gives as the reason for the end of a socket. */
export const endingOf = (error: unknown): Ending => ({
  code: numberIn(error) ?? numberIn(fieldOf(fieldOf(error, 'output'), 'statusCode')),
  message: error instanceof Error ? error.message : 'The connection was closed',
})

export const notConnected = () =>
  new Refusal('INSTANCE_NOT_CONNECTED', 'The instance is not connected to WhatsApp.')

/** Its session has stopped, and does not begin again by itself. */
export const disconnected = () =>
  new Refusal('INSTANCE_NOT_CONNECTED', 'The instance is disconnected. Reconnect it first.')

export const connectionLost = () =>
  new Refusal(
    'UNAVAILABLE',
    'The connection to WhatsApp was lost before it answered: it may or may not be done.',
  )

/** What the library throws, in words of our own. WhatsApp's no to a call stands in `data`, as a number. */
export const failureOf = (error: unknown): unknown => {
  // In flight when the connection went, calls reject with the bare code of its closing: 1006, 1001, 1005 ...
  if (typeof error === 'number') return connectionLost()
  const no = numberIn(fieldOf(error, 'data'))
  if (no !== undefined && error instanceof Error) return new CallRefused(no, error.message)
  const { code } = endingOf(error)
  if (code === CONNECTION_CLOSED) return notConnected()
  return code === TIMED_OUT ? connectionLost() : error
}
