import { setTimeout as sleep } from 'node:timers/promises'
import { whenAborted } from '../../aborted.ts'

const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 5000

/**
 * Tries until it works, resting longer and longer, or until the signal: then it answers undefined, and does not wait for
 * what is under way.
 */
export const insist = async <T>(
  work: () => Promise<T>,
  onFailure: (error: unknown) => void,
  signal: AbortSignal,
): Promise<{ readonly result: T } | undefined> => {
  const aborted = whenAborted(signal)
  for (let pauseMs = RETRY_MIN_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
    const attempt = work().then(
      (result) => ({ result }),
      (error: unknown) => ({ error }),
    )
    const outcome = await Promise.race([attempt, aborted])
    if (!outcome) return undefined
    if ('result' in outcome) return outcome
    onFailure(outcome.error)
    await sleep(pauseMs, undefined, { signal }).catch(() => {})
  }
  return undefined
}
