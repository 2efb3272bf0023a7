import type { Pool, PoolClient } from 'pg'
import type { Query } from '../../bench/recorded-queries.ts'

/** What PostgreSQL tells about a step of a query that it has run: `explain (analyze, buffers, format json)`. */
type Step = {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly Plans?: readonly Step[]
}

export type Plan = {
  /** Tables that were read from end to end. */
  readonly wholeTables: readonly string[]
  /** Pages of 8 kB that were looked at, of tables and indexes. */
  readonly pages: number
}

const stepsOf = (step: Step): Step[] => [step, ...(step.Plans ?? []).flatMap(stepsOf)]

/** Runs a query and answers how it was done. */
export const planOf = async (client: Pool | PoolClient, { text, values }: Query): Promise<Plan> => {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Step }] }>(
    `explain (analyze, buffers, timing off, format json) ${text}`,
    [...values],
  )
  const top = rows[0]?.['QUERY PLAN'][0].Plan
  if (!top) throw new Error(`No plan for ${text}`)
  return {
    wholeTables: stepsOf(top).flatMap((step) =>
      step['Node Type'] === 'Seq Scan' ? [step['Relation Name'] ?? '?'] : [],
    ),
    pages: top['Shared Hit Blocks'] + top['Shared Read Blocks'],
  }
}
