import { setTimeout as sleep } from 'node:timers/promises'
import { Refusal } from '../../domain/errors.ts'
import { isDataError } from '../postgres/errors.ts'

const RETRY_MIN_MS = 200
const RETRY_MAX_MS = 30_000
/** So often is tried what fails for what it is, and not because somebody is out of reach. */
const HOPELESS_AFTER = 4

/** Does something until it is done. Rejects at the signal, and where it is hopeless. */
export const untilDone = async <T>(
  task: () => Promise<T>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<T> => {
  let refusals = 0
  for (let pauseMs = RETRY_MIN_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS)) {
    signal.throwIfAborted()
    try {
      return await task()
    } catch (error) {
      signal.throwIfAborted()
      if (isHopeless(error) && ++refusals >= HOPELESS_AFTER) throw error
      onError(error)
    }
    await sleep(pauseMs, undefined, { signal })
  }
}

/** Whether it will fail again, whoever is in reach. A request that came to nothing is a TypeError with a cause. */
const isHopeless = (error: unknown): boolean => {
  if (error instanceof Refusal) return error.code !== 'UNAVAILABLE'
  if (error instanceof TypeError) return error.cause === undefined
  return error instanceof RangeError || isDataError(error)
}
