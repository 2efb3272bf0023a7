import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Counters } from '../../ports/counters.ts'

/** The counters of a node that is alone. */
export const inProcessCounters = (): Counters => (_name, windowSeconds) => {
  const limiter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: windowSeconds })
  return {
    // `penalty` counts without a limit of its own.
    add: async (key) => {
      const { consumedPoints, msBeforeNext } = await limiter.penalty(key)
      return { count: consumedPoints, msToReset: msBeforeNext }
    },
    takeBack: async (key) => {
      await limiter.reward(key)
    },
  }
}
