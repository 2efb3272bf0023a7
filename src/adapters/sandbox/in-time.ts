import { Refusal } from '../../domain/errors.ts'
import { within } from '../within.ts'

/** Rejects with UNAVAILABLE if the promise takes longer; what it does goes on. */
export const inTime = <T>(ms: number, promise: Promise<T>): Promise<T> =>
  within(ms, promise, () => new Refusal('UNAVAILABLE', `The sandbox did not answer in ${ms} ms. Try again.`))
