import type { Pool } from 'pg'
import type { Count, Counters } from '../../ports/counters.ts'
import { within } from '../within.ts'
import { coalesce, fulfilled } from './coalesce.ts'

const BATCH_MAX = 500
/** A count that takes longer is given up: whoever asks is waiting for more than this number. */
const PATIENCE_MS = 500
const PURGE_EVERY_MS = 60_000

type Change = { readonly key: string; readonly seconds: number; readonly by: 1 | -1 }
type Row = { readonly key: string; readonly count: number; readonly ms: number }

/** In the order of the keys, so that no two nodes wait for each other. */
const COUNT = `
insert into counter as present (key, count, ends_at)
select key, change, now() + make_interval(secs => seconds)
from unnest($1::text[], $2::integer[], $3::integer[]) as made(key, change, seconds) order by key
on conflict (key) do update set
  count = excluded.count + case when present.ends_at > now() then present.count else 0 end,
  ends_at = case when present.ends_at > now() then present.ends_at else excluded.ends_at end
returning key, count, extract(epoch from ends_at - now())::float * 1000 as ms`

/** Counters that the nodes on one database share. What is asked for at once leaves in one round trip. */
export const postgresCounters = (pool: Pool, onError: (error: unknown) => void): Counters => {
  let purgedAt = performance.now()

  const purgeNowAndThen = () => {
    if (performance.now() - purgedAt < PURGE_EVERY_MS) return
    purgedAt = performance.now()
    pool.query('delete from counter where ends_at < now()').catch(onError)
  }

  const change = coalesce<Change, Count>({
    max: BATCH_MAX,
    run: async (changes) => {
      const sums = new Map<string, { by: number; seconds: number }>()
      for (const { key, seconds, by } of changes)
        sums.set(key, { by: (sums.get(key)?.by ?? 0) + by, seconds })
      const { rows } = await pool.query<Row>({
        name: 'count',
        text: COUNT,
        values: [
          [...sums.keys()],
          [...sums.values()].map(({ by }) => by),
          [...sums.values()].map(({ seconds }) => seconds),
        ],
      })
      purgeNowAndThen()
      const before = new Map(
        rows.map((row) => [row.key, { ...row, count: row.count - (sums.get(row.key)?.by ?? 0) }]),
      )
      return changes.map(({ key, by }) => {
        const row = before.get(key)
        if (!row) throw new Error(`${key} was not counted`)
        row.count += by
        return fulfilled({ count: Math.max(0, row.count), msToReset: Math.max(0, row.ms) })
      })
    },
  })

  const inTime = (change: Promise<Count>) =>
    within(PATIENCE_MS, change, () => new Error('The counters do not answer'))

  return (name, seconds) => ({
    add: (key) => inTime(change({ key: `${name} ${key}`, seconds, by: 1 })),
    takeBack: async (key) => {
      await inTime(change({ key: `${name} ${key}`, seconds, by: -1 }))
    },
  })
}
