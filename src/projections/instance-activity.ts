import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import { isSignalKind } from '../domain/message.ts'
import type { Database } from './database.ts'
import { projection, type Change } from './projection.ts'

const SLOT_MS = 15 * 60 * 1000

export type InstanceActivityRow = {
  /** Instance and slot. */
  id: string
  tenant_id: string
  instance_id: string
  /** Start of a quarter of an hour, UTC: whole days of every time zone can be made of these. */
  slot: string
  sent: number
  received: number
  last_at: string
}

type Counted = { readonly meta: { readonly tenant: string; readonly at: string } }

const count = (
  { meta }: Counted,
  instanceId: string,
  what: 'sent' | 'received',
): Change<InstanceActivityRow>[] => {
  const slot = new Date(Math.floor(Date.parse(meta.at) / SLOT_MS) * SLOT_MS).toISOString()
  const id = `${instanceId} ${slot}`
  const empty = {
    id,
    tenant_id: meta.tenant,
    instance_id: instanceId,
    slot,
    sent: 0,
    received: 0,
    last_at: meta.at,
  }
  return [{ key: id, evolve: (row = empty) => ({ ...row, [what]: row[what] + 1, last_at: meta.at }) }]
}

/** Messages sent and received by each instance, by the time at which this program recorded them. */
export const instanceActivity = projection<InstanceActivityRow>({
  name: 'instance_activity',
  version: 1,
  restMs: 100,
  key: 'id',
  columns: {
    id: 'text',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    slot: 'timestamptz not null',
    sent: 'integer not null',
    received: 'integer not null',
    last_at: 'timestamptz not null',
  },
  indexes: ['(instance_id, slot)'],
  on: {
    MessageSent: (event) =>
      isSignalKind(event.data.kind) ? [] : count(event, event.data.instanceId, 'sent'),
    MessageSentFromPhone: (event) => count(event, event.data.instanceId, 'sent'),
    MessageReceived: (event) => count(event, event.data.instanceId, 'received'),
  },
})

export type Activity = {
  readonly sentToday: number
  readonly sentThisWeek: number
  readonly sentThisMonth: number
  readonly receivedToday: number
  readonly lastAt: string | null
}
const nothing: Activity = { sentToday: 0, sentThisWeek: 0, sentThisMonth: 0, receivedToday: 0, lastAt: null }

/** What instances did today, this week (from Monday) and this month, in the days of a time zone. */
export const activityOf = async (db: Kysely<Database>, instanceIds: readonly string[], timeZone: string) => {
  const since = (unit: 'day' | 'week' | 'month') =>
    sql<boolean>`slot >= date_trunc(${sql.lit(unit)}, now() at time zone ${timeZone}) at time zone ${timeZone}`
  const rows =
    instanceIds.length === 0
      ? []
      : await db
          .selectFrom('instance_activity')
          .select(({ fn }) => [
            'instance_id',
            fn.coalesce(fn.sum<number>('sent').filterWhere(since('day')), sql.lit(0)).as('sentToday'),
            fn.coalesce(fn.sum<number>('sent').filterWhere(since('week')), sql.lit(0)).as('sentThisWeek'),
            fn.coalesce(fn.sum<number>('sent').filterWhere(since('month')), sql.lit(0)).as('sentThisMonth'),
            fn.coalesce(fn.sum<number>('received').filterWhere(since('day')), sql.lit(0)).as('receivedToday'),
            fn.max('last_at').as('lastAt'),
          ])
          .where('instance_id', 'in', [...instanceIds])
          .groupBy('instance_id')
          .execute()
  const byId = new Map(rows.map(({ instance_id, ...activity }) => [instance_id, activity]))
  return (instanceId: string): Activity => byId.get(instanceId) ?? nothing
}
