import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextAttempt, RETRY_AFTER_MAX_SECONDS } from '../../src/webhooks/schedule.ts'

const now = new Date('2025-01-15T10:30:00Z')
const middle = () => 0.5
const secondsUntil = (at: Date | undefined) => (at ? (at.getTime() - now.getTime()) / 1000 : undefined)

const retrySeconds = fc.array(fc.integer({ min: 0, max: 86_400 }), { minLength: 1, maxLength: 12 })
/** A schedule and a number of attempts that leaves at least one delay. */
const alive = retrySeconds.chain((seconds) =>
  fc.record({
    retrySeconds: fc.constant(seconds),
    attemptsMade: fc.integer({ min: 1, max: seconds.length }),
  }),
)
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }).map((value) => () => value)

describe('the next attempt', () => {
  it('comes after the delays of the list, one by one, then never', () => {
    const delays = [1, 2, 3, 4].map((attemptsMade) =>
      secondsUntil(nextAttempt({ attemptsMade, retrySeconds: [5, 30, 120], now, random: middle })),
    )
    expect(delays).toEqual([5, 30, 120, undefined])
  })

  it('stays within 20 % of the planned delay and reaches both ends', () => {
    const at = (value: number) =>
      secondsUntil(nextAttempt({ attemptsMade: 1, retrySeconds: [100], now, random: () => value }))
    expect(at(0)).toBe(80)
    expect(at(1 - Number.EPSILON)).toBeCloseTo(120, 2)
    fc.assert(
      fc.property(alive, random, (schedule, random) => {
        const planned = schedule.retrySeconds[schedule.attemptsMade - 1] ?? NaN
        const seconds = secondsUntil(nextAttempt({ ...schedule, now, random }))
        expect(seconds).toBeGreaterThanOrEqual(planned * 0.8 - 0.001)
        expect(seconds).toBeLessThanOrEqual(planned * 1.2 + 0.001)
      }),
    )
  })

  it('is when Retry-After says, whatever the list says, but neither in the past nor after the cap', () => {
    fc.assert(
      fc.property(
        alive,
        random,
        fc.integer({ min: 0, max: RETRY_AFTER_MAX_SECONDS }),
        (schedule, random, seconds) => {
          expect(secondsUntil(nextAttempt({ ...schedule, retryAfterSeconds: seconds, now, random }))).toBe(
            seconds,
          )
        },
      ),
    )
    const capped = [-1, 0, 3600, 3601, Infinity].map((retryAfterSeconds) =>
      secondsUntil(
        nextAttempt({ attemptsMade: 1, retrySeconds: [5], retryAfterSeconds, now, random: middle }),
      ),
    )
    expect(capped).toEqual([0, 0, 3600, 3600, 3600])
  })

  it('does not exist once the list is exhausted, even if the receiver asks for it', () => {
    fc.assert(
      fc.property(
        retrySeconds,
        fc.nat(20),
        fc.option(fc.nat(), { nil: undefined }),
        random,
        (list, more, wish, random) => {
          const attemptsMade = list.length + 1 + more
          expect(
            nextAttempt({ attemptsMade, retrySeconds: list, retryAfterSeconds: wish, now, random }),
          ).toBeUndefined()
        },
      ),
    )
  })

  it('does not exist with an empty list: one attempt only', () => {
    expect(nextAttempt({ attemptsMade: 1, retrySeconds: [], now, random: middle })).toBeUndefined()
  })
})
