import { Refusal } from './errors.ts'

/** Messages that may be sent in a day; null for any number. */
export type DailyLimit = number | null

/** The limit that holds for an instance: its own, else that of the deployment. 0 is no limit. */
export const dailyLimitOf = (own: number | null | undefined, byDefault: number): DailyLimit => {
  const limit = own ?? byDefault
  return limit === 0 ? null : limit
}

/** What may still be sent today; null for any number. */
export const remainingOf = (limit: DailyLimit, used: number): number | null =>
  limit === null ? null : Math.max(0, limit - used)

/** Refuses if the messages of today, sent or on their way, are as many as the limit allows. */
export const mustHaveQuota = (limit: number, used: number, secondsToMidnight: number) => {
  if (used < limit) return
  throw new Refusal(
    'QUOTA_EXCEEDED',
    `The daily limit of ${limit} messages of this instance is reached. Send again after midnight, or raise daily_limit.`,
    { daily_limit: limit, sent_today: used, retry_after: secondsToMidnight },
  )
}
