import { dailyLimitOf } from '../domain/quota.ts'
import { findTenant } from '../projections/accounts.ts'
import { activityOf } from '../projections/instance-activity.ts'
import type { InstanceRow } from '../projections/instances.ts'
import { countWaiting } from '../projections/outbox.ts'
import type { Caller } from './route.ts'
import type { Services } from './services.ts'
import { instanceView, quotaView } from './instance-view.ts'

/** What instances did and may still do, in the days of the caller's account; made from instanceActivity and outbox. */
export const createUsage = ({ db, settings }: Pick<Services, 'db' | 'settings'>) => {
  const timeZoneOf = async ({ tenantId }: Caller) => (await findTenant(db, tenantId))?.time_zone ?? 'UTC'

  const usageOf = async (caller: Caller, rows: readonly InstanceRow[]) => {
    const limitOf = (row: InstanceRow) => dailyLimitOf(row.daily_limit, settings.dailyMessageLimit)
    const idsOf = (some: readonly InstanceRow[]) => some.map(({ id }) => id)
    const [activityIn, waitingIn] = await Promise.all([
      activityOf(db, idsOf(rows), await timeZoneOf(caller)),
      countWaiting(db, idsOf(rows.filter((row) => limitOf(row) !== null))),
    ])
    return (row: InstanceRow) => {
      const activity = activityIn(row.id)
      return { activity, quota: quotaView(limitOf(row), activity.sentToday, waitingIn(row.id)) }
    }
  }

  const viewsOf = async (caller: Caller, rows: readonly InstanceRow[]) => {
    const usage = await usageOf(caller, rows)
    return rows.map((row) => {
      const { activity, quota } = usage(row)
      return instanceView(row, activity, quota)
    })
  }

  return { timeZoneOf, usageOf, viewsOf }
}
