import { setTimeout as sleep } from 'node:timers/promises'

const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 5000

/** Resolves with undefined once the signal is there. */
export const whenAborted = (signal: AbortSignal) =>
  new Promise<undefined>((done) => {
    if (signal.aborted) done(undefined)
    else signal.addEventListener('abort', () => done(undefined), { once: true })
  })

/**
 * Tries until it works, resting longer and longer, or until the signal: then it answers undefined, and does not wait for
 * what is under way.
 */
export const insist = async <T>(
  work: () => Promise<T>,
  onFailure: (error: unknown) => void,
  signal: AbortSignal,
): Promise<{ readonly result: T } | undefined> => {
  for (let pauseMs = RETRY_MIN_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
    const attempt = work().then(
      (result) => ({ result }),
      (error: unknown) => ({ error }),
    )
    const outcome = await Promise.race([attempt, whenAborted(signal)])
    if (!outcome) return undefined
    if ('result' in outcome) return outcome
    onFailure(outcome.error)
    await sleep(pauseMs, undefined, { signal }).catch(() => {})
  }
  return undefined
}
