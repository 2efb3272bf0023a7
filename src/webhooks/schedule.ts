/** The longest a receiver can put off its next delivery with Retry-After. */
export const RETRY_AFTER_MAX_SECONDS = 3600

/** Delays vary by this share either way, so that deliveries that failed together do not come back together. */
const JITTER = 0.2

/**
 * When to try again, or undefined if the delivery is dead. `attemptsMade` counts the attempt that has just failed: 1
 * takes the first of `retrySeconds`. A Retry-After of the receiver replaces the delay, but allows no further attempt.
 * `random` gives a number from 0 up to 1, like Math.random.
 */
export const nextAttempt = (failed: {
  attemptsMade: number
  retrySeconds: readonly number[]
  retryAfterSeconds?: number | undefined
  now: Date
  random: () => number
}): Date | undefined => {
  const { attemptsMade, retrySeconds, retryAfterSeconds, now, random } = failed
  const plannedSeconds = retrySeconds[attemptsMade - 1]
  if (plannedSeconds === undefined) return undefined
  const seconds =
    retryAfterSeconds === undefined
      ? plannedSeconds * (1 + JITTER * (2 * random() - 1))
      : Math.min(Math.max(retryAfterSeconds, 0), RETRY_AFTER_MAX_SECONDS)
  return new Date(now.getTime() + seconds * 1000)
}
