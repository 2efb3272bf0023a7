import { Refusal } from '../domain/errors.ts'

/** Whether a call to WhatsApp failed because there was no connection, or no answer: later it may go well. */
export const isUnreachable = (error: unknown): boolean =>
  error instanceof Refusal && (error.code === 'INSTANCE_NOT_CONNECTED' || error.code === 'UNAVAILABLE')
