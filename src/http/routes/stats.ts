import { Type } from 'typebox'
import { addDays, dateAt, datesBetween, daysBetween, startOfDay } from '../../domain/days.ts'
import { invalid } from '../../domain/errors.ts'
import { Uuid } from '../../domain/values.ts'
import { counters, countsByDay, noCounts, type Counts } from '../../projections/instance-activity.ts'
import { envelope, ok } from '../format.ts'
import type { Instances } from '../instances.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'
import { createUsage } from '../usage.ts'

const DAYS = 30
const DAYS_MAX = 366
const ROWS_MAX = 10_000
const EARLIEST = '1970-01-02'
const LATEST = '9999-01-01'

const countFields = {
  queued: Type.Integer({ description: 'Taken for sending' }),
  sent: Type.Integer({ description: 'Taken by WhatsApp, or typed on the phone' }),
  delivered: Type.Integer(),
  read: Type.Integer(),
  played: Type.Integer(),
  failed: Type.Integer({ description: 'Not taken by WhatsApp' }),
  received: Type.Integer({ description: 'Came in' }),
}
const DateField = (description: string) => Type.Optional(Type.String({ format: 'date', description }))

const countsOf = (row: Counts): Counts => {
  const { queued, sent, delivered, read, played, failed, received } = row
  return { queued, sent, delivered, read, played, failed, received }
}
const totalsOf = (rows: readonly Counts[]): Counts => {
  const totals = { ...noCounts }
  for (const row of rows) for (const what of counters) totals[what] += row[what]
  return totals
}

/** The dates that are asked for: those given, and what they leave open. */
const periodOf = ({ from, to }: { from?: string; to?: string }, today: string) => {
  for (const [field, date] of Object.entries({ from, to }))
    if (date !== undefined && (date < EARLIEST || date > LATEST))
      throw invalid(field, 'must be a date such as 2025-01-15')
  const last = to ?? today
  const first = from ?? addDays(last, 1 - DAYS)
  if (first > last)
    throw invalid('from', to === undefined ? 'must not be after today' : 'must not be after to')
  if (daysBetween(first, last) >= DAYS_MAX)
    throw invalid('from', `must be at most ${DAYS_MAX} days before the end: ask for a shorter time`)
  return { first, last }
}

/** What was recorded outside of this is in no day that is asked for, whatever the time zone. */
const spanOf = ({ from, to }: { from?: string; to?: string }, at: string) => {
  const last = to ?? at.slice(0, EARLIEST.length)
  return {
    since: `${addDays(from ?? addDays(last, -DAYS), -1)}T00:00:00.000Z`,
    until: `${addDays(last, 2)}T00:00:00.000Z`,
  }
}

/** Figures by day. */
export const statsRoutes = (services: Services, instances: Instances) => {
  const { db } = services
  const { timeZoneOf } = createUsage(services)
  return [
    route({
      method: 'GET',
      path: '/stats',
      operationId: 'getStats',
      tag: 'Stats',
      reads: ['instanceActivity', 'instances', 'tenants'],
      asOf: ({ caller, query, at }) => ({
        kind: 'activity',
        ...spanOf(query, at),
        instance: caller.instanceId ?? query.instance_id,
      }),
      summary: 'Messages by day and instance',
      description:
        "Days are those of the account's time zone. Each message counts once for each status, on the day on which it came to that status: one that is sent today and read tomorrow is in `sent` of today and `read` of tomorrow. WhatsApp may skip a status, so there can be more `read` than `delivered`. Reactions, edits and deletions are not counted. A day on which an instance did nothing has no row.",
      access: 'stats:read',
      limit: 'standard',
      query: Type.Object({
        from: DateField(`First day; by default, ${DAYS} days end with \`to\``),
        to: DateField('Last day, included; by default today'),
        instance_id: Type.Optional(Type.String({ description: 'UUID or number; by default all' })),
      }),
      successDescription: 'The rows, by day and instance, and their totals.',
      responses: {
        200: envelope(
          Type.Object({
            from: Type.String(),
            to: Type.String(),
            time_zone: Type.String(),
            rows: Type.Array(Type.Object({ date: Type.String(), instance_id: Uuid, ...countFields })),
            totals: Type.Object(countFields),
          }),
        ),
      },
      async handle({ caller, query, asOf }) {
        const only = await instances.only(caller, query.instance_id)
        const timeZone = await timeZoneOf(caller)
        const { first: from, last: to } = periodOf(
          query,
          dateAt(asOf === undefined ? Date.now() : Date.parse(asOf), timeZone),
        )
        const dates = datesBetween(from, to)
        const startOf = (date: string) => new Date(startOfDay(date, timeZone)).toISOString()
        const found = await countsByDay(db, {
          tenantId: caller.tenantId,
          instanceId: only,
          starts: dates.map(startOf),
          end: startOf(addDays(to, 1)),
          limit: ROWS_MAX + 1,
        })
        if (found.length > ROWS_MAX)
          throw invalid('from', `gives more than ${ROWS_MAX} rows: ask for fewer days, or for one instance`)
        const rows = found.map((row) => ({
          date: dates[row.day] ?? to,
          instance_id: row.instance_id,
          ...countsOf(row),
        }))
        return reply(200, ok({ from, to, time_zone: timeZone, rows, totals: totalsOf(found) }))
      },
    }),
  ]
}
