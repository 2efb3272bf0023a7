import { expect, test } from 'vitest'
import { dailyLimitOf, mustHaveQuota, remainingOf } from '../../src/domain/quota.ts'

test.each([
  [undefined, 0, null],
  [null, 0, null],
  [null, 500, 500],
  [0, 500, null],
  [20, 500, 20],
  [20, 0, 20],
])('an instance set to %s, where the deployment says %i, is limited to %s', (own, byDefault, limit) =>
  expect(dailyLimitOf(own, byDefault)).toBe(limit),
)
test('what remains is never less than nothing, and unknown without a limit', () => {
  expect(remainingOf(500, 50)).toBe(450)
  expect(remainingOf(5, 7)).toBe(0)
  expect(remainingOf(null, 7)).toBeNull()
})
test('the last message of a day is let through, the next one refused until midnight', () => {
  expect(() => mustHaveQuota(5, 4, 60)).not.toThrow()
  expect(() => mustHaveQuota(5, 5, 60)).toThrow(
    expect.objectContaining({
      code: 'QUOTA_EXCEEDED',
      details: { daily_limit: 5, sent_today: 5, retry_after: 60 },
    }),
  )
})
