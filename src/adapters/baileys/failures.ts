import { Refusal } from '../../domain/errors.ts'
import { CallRefused } from './ask.ts'
import type { Ending } from './reconnect.ts'

/** In flight when the connection went: the library then rejects with this bare number. */
const ABNORMAL_CLOSURE = 1006
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
  if (error === ABNORMAL_CLOSURE) return connectionLost()
  const code = numberIn(fieldOf(error, 'data'))
  if (code !== undefined && error instanceof Error) return new CallRefused(code, error.message)
  return endingOf(error).code === CONNECTION_CLOSED ? notConnected() : error
}
