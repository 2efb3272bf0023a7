import type { Pool } from 'pg'
import type { Erasures } from '../../ports/erasures.ts'

/** Counts erasures: a sequence, which everybody sees at once. */
export const erasureCount = 'create sequence erasure_count;'

export const postgresErasures = (pool: Pool): Erasures => ({
  tell: async () => {
    await pool.query(`select nextval('erasure_count')`)
  },
  count: async () => {
    const { rows } = await pool.query<{ count: string }>({
      name: 'erasure-count',
      text: 'select (last_value + is_called::integer)::text as count from erasure_count',
    })
    return BigInt(rows[0]?.count ?? 0)
  },
})
