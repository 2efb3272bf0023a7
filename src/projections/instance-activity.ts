import { sql, type Kysely } from 'kysely'
import { isSignal, isSignalKind } from '../domain/content.ts'
import { dateAt, firstOfMonth, mondayOf, slotOf, startOfDay } from '../domain/days.ts'
import type { Database } from './database.ts'
import { projection, type Change } from './projection.ts'

/** What is counted: `received` comes in, all others are what becomes of messages that go out. */
export const counters = ['queued', 'sent', 'delivered', 'read', 'played', 'failed', 'received'] as const
export type Counter = (typeof counters)[number]
export type Counts = { [C in Counter]: number }
export const noCounts: Counts = {
  queued: 0,
  sent: 0,
  delivered: 0,
  read: 0,
  played: 0,
  failed: 0,
  received: 0,
}

export type InstanceActivityRow = Counts & {
  /** Instance and slot. */
  id: string
  tenant_id: string
  instance_id: string
  /** Start of a quarter of an hour, UTC: whole days of every time zone can be made of these. */
  slot: string
  last_at: string
}

type Counted = { readonly meta: { readonly tenant: string; readonly at: string } }

const count = ({ meta }: Counted, instanceId: string, what: Counter): Change<InstanceActivityRow>[] => {
  const slot = new Date(slotOf(Date.parse(meta.at))).toISOString()
  const id = `${instanceId} ${slot}`
  const empty = {
    id,
    tenant_id: meta.tenant,
    instance_id: instanceId,
    slot,
    ...noCounts,
    last_at: meta.at,
  }
  return [{ key: id, evolve: (row = empty) => ({ ...row, [what]: row[what] + 1, last_at: meta.at }) }]
}

type Step = Counted & {
  readonly data: { readonly instanceId: string; readonly signal?: string; readonly past?: true }
}
const countStep = (event: Step, what: Counter) =>
  event.data.signal === undefined && !event.data.past ? count(event, event.data.instanceId, what) : []

/** What was imported happened on the phone alone, and long ago. */
type Said = Counted & { readonly data: { readonly instanceId: string; readonly importedAt?: string } }
const countSaid = (event: Said, what: Counter) =>
  event.data.importedAt === undefined ? count(event, event.data.instanceId, what) : []

/** How many messages of each instance came to each status, by the time at which this program recorded it. */
export const instanceActivity = projection<InstanceActivityRow>({
  name: 'instance_activity',
  version: 3,
  restMs: 100,
  key: 'id',
  columns: {
    id: 'text',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    slot: 'timestamptz not null',
    queued: 'integer not null',
    sent: 'integer not null',
    delivered: 'integer not null',
    read: 'integer not null',
    played: 'integer not null',
    failed: 'integer not null',
    received: 'integer not null',
    last_at: 'timestamptz not null',
  },
  indexes: ['(instance_id, slot)', '(tenant_id, slot)'],
  on: {
    MessageQueued: (event) =>
      isSignal(event.data.content) ? [] : count(event, event.data.instanceId, 'queued'),
    MessageSent: (event) =>
      isSignalKind(event.data.kind) ? [] : count(event, event.data.instanceId, 'sent'),
    MessageSentFromPhone: (event) => countSaid(event, 'sent'),
    MessageDelivered: (event) => countStep(event, 'delivered'),
    MessageRead: (event) => countStep(event, 'read'),
    MessagePlayed: (event) => countStep(event, 'played'),
    MessageFailed: (event) => countStep(event, 'failed'),
    MessageReceived: (event) => countSaid(event, 'received'),
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
export const activityOf = async (
  db: Kysely<Database>,
  instanceIds: readonly string[],
  timeZone: string,
  now = Date.now(),
) => {
  const today = dateAt(now, timeZone)
  const startOf = (date: string) => new Date(startOfDay(date, timeZone)).toISOString()
  const [day, week, month] = [startOf(today), startOf(mondayOf(today)), startOf(firstOfMonth(today))]
  const since = week < month ? week : month
  const sum = (what: Counter, from: string) =>
    sql<number>`coalesce(sum(${sql.ref(what)}) filter (where slot >= ${from}), 0)`
  const rows =
    instanceIds.length === 0
      ? []
      : await db
          .selectFrom('instance')
          .leftJoin('instance_activity', (join) =>
            join.onRef('instance_id', '=', 'instance.id').on('slot', '>=', since),
          )
          .select(({ selectFrom }) => [
            'instance.id as instance_id',
            sum('sent', day).as('sentToday'),
            sum('sent', week).as('sentThisWeek'),
            sum('sent', month).as('sentThisMonth'),
            sum('received', day).as('receivedToday'),
            selectFrom('instance_activity as latest')
              .select('latest.last_at')
              .whereRef('latest.instance_id', '=', 'instance.id')
              .orderBy('latest.slot', 'desc')
              .limit(1)
              .as('lastAt'),
          ])
          .where('instance.id', 'in', [...instanceIds])
          .groupBy('instance.id')
          .execute()
  const byId = new Map(rows.map(({ instance_id, ...activity }) => [instance_id, activity]))
  return (instanceId: string): Activity => byId.get(instanceId) ?? nothing
}

/** Messages that an instance sent since the start of a slot. */
export const sentSince = async (db: Kysely<Database>, instanceId: string, since: string): Promise<number> => {
  const { sent } = await db
    .selectFrom('instance_activity')
    .select(({ fn }) => fn.coalesce(fn.sum<number>('sent'), sql.lit(0)).as('sent'))
    .where('instance_id', '=', instanceId)
    .where('slot', '>=', since)
    .executeTakeFirstOrThrow()
  return sent
}

type DaysQuery = {
  readonly tenantId: string
  readonly instanceId?: string | undefined
  /** Starts of the days to count, in order. */
  readonly starts: readonly string[]
  /** End of the last of them. */
  readonly end: string
  readonly limit: number
}

/** Counts by day (0 is the first one) and instance; days on which nothing happened are left out. */
export const countsByDay = (
  db: Kysely<Database>,
  { tenantId, instanceId, starts, end, limit }: DaysQuery,
) => {
  let query = db
    .selectFrom('instance_activity')
    .select(({ fn }) => [
      sql<number>`width_bucket(slot, ${[...starts]}::timestamptz[]) - 1`.as('day'),
      'instance_id',
      ...counters.map((what) => fn.sum<number>(what).as(what)),
    ])
    .where('tenant_id', '=', tenantId)
    .where('slot', '>=', starts[0] ?? end)
    .where('slot', '<', end)
  if (instanceId !== undefined) query = query.where('instance_id', '=', instanceId)
  return query.groupBy(['day', 'instance_id']).orderBy('day').orderBy('instance_id').limit(limit).execute()
}
