import { dateAt, secondsToMidnight, startOfDay } from '../domain/days.ts'
import type { Instance } from '../domain/instance.ts'
import { dailyLimitOf, mustHaveQuota } from '../domain/quota.ts'
import type { Turns } from '../ports/turns.ts'

type Parts = {
  readonly inTurn: Turns
  /** Messages that an instance without a limit of its own may send in a day; 0 for any number. */
  readonly byDefault: number
  readonly timeZoneOf: (tenantId: string) => Promise<string>
  /** Messages that an instance sent since a moment; knows everything written before it is asked. */
  readonly sentSince: (instanceId: string, since: string) => Promise<number>
  /** Messages of an instance that are still to be sent; knows everything written before it is asked. */
  readonly waiting: (instanceId: string) => Promise<number>
}

type Budget = { readonly instanceId: string; readonly tenantId: string; readonly limit: number }
type Send<T> = Budget & {
  /** Whether it was taken before: then it is not counted again. */
  readonly isTaken: () => Promise<boolean>
  /** Puts it among the messages that wait. */
  readonly take: () => Promise<T>
}

/** Holds instances to the number of messages that they may send in a day of their tenant's time zone. */
export const createQuota = ({ inTurn, byDefault, timeZoneOf, sentSince, waiting }: Parts) => {
  /**
   * The two counts are of different places in the log: a message that goes out between the looks is in both. So a count
   * below the limit is believed, and one that reaches it only if it holds without those that wait, or if none of them
   * went out since the look before.
   */
  const countUsed = async (instanceId: string, since: string, limit: number): Promise<number> => {
    let sentBefore: number | undefined
    for (;;) {
      const open = await waiting(instanceId)
      const sent = await sentSince(instanceId, since)
      if (sent + open < limit || sent >= limit || sent === sentBefore) return sent + open
      sentBefore = sent
    }
  }

  const limitOf = ({ dailyLimit }: Instance) => dailyLimitOf(dailyLimit, byDefault)

  /** Refuses if there is no room for a message today. One that comes meanwhile may take the room. */
  const mustHaveRoom = async ({ instanceId, tenantId, limit }: Budget) => {
    const timeZone = await timeZoneOf(tenantId)
    const now = Date.now()
    const midnight = new Date(startOfDay(dateAt(now, timeZone), timeZone)).toISOString()
    const used = await countUsed(instanceId, midnight, limit)
    mustHaveQuota(limit, used, secondsToMidnight(now, timeZone))
  }

  /** Takes a message if there is room for it today. Those of one instance take turns, so that two never share the last place. */
  const spend = <T>({ isTaken, take, ...budget }: Send<T>): Promise<T> =>
    inTurn(`daily limit of ${budget.instanceId}`, async () => {
      if (!(await isTaken())) await mustHaveRoom(budget)
      return take()
    })

  return { limitOf, mustHaveRoom, spend }
}
export type Quota = ReturnType<typeof createQuota>
