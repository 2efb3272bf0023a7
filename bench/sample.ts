import { spent, usage, waitForQuiet } from './processor.ts'
import { median, percentile } from './statistics.ts'
import type { Case } from './suite.ts'

const QUIET_WAIT_MS = 1500
const MICROSECONDS = 1_000_000

/** One run of a case, summed up. */
export type Sample = {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Processor time of each operation in microseconds: the bench itself, the processes it started, PostgreSQL. */
  readonly benchUs: number
  readonly programUs: number
  readonly postgresUs: number
  /** Share of all processors that others used meanwhile: above a tenth, rates say little. */
  readonly othersShare: number
}

/** Runs a case once, when the machine is quiet (or after a bounded wait). */
export const takeSample = async ({ run }: Case, seconds: number, postgresPid: number): Promise<Sample> => {
  await waitForQuiet(QUIET_WAIT_MS)
  const before = usage(postgresPid)
  const { operations, seconds: took, latenciesMs } = await run(seconds)
  const used = spent(before, usage(postgresPid))
  const eachUs = (share: number) => (share * MICROSECONDS) / operations
  return {
    perSecond: operations / took,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    benchUs: eachUs(used.bench),
    programUs: eachUs(used.program),
    postgresUs: eachUs(used.postgres),
    othersShare: Math.max(0, used.busy - used.bench - used.program - used.postgres) / used.all,
  }
}

/** The median of each figure by itself. */
export const medianSample = (samples: readonly Sample[]): Sample => {
  const of = (figure: keyof Sample) => median(samples.map((sample) => sample[figure]))
  return {
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    benchUs: of('benchUs'),
    programUs: of('programUs'),
    postgresUs: of('postgresUs'),
    othersShare: of('othersShare'),
  }
}
