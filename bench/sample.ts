import { spent, usage, waitForQuiet } from './processor.ts'
import { median, percentile } from './statistics.ts'
import type { Case } from './suite.ts'

const QUIET_WAIT_MS = 1500
const MICROSECONDS = 1_000_000

/** One run of a case, summed up. */
export type Sample = {
  readonly perSecond: number
  /** null where an operation has no latency of its own. */
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  /** Processor time of each operation in microseconds: the bench itself, the processes it started, PostgreSQL. */
  readonly benchUs: number
  readonly programUs: number
  readonly postgresUs: number
  /** Share of all processors that others used meanwhile: above a tenth, rates say little. */
  readonly othersShare: number
}

/** All of an operation's processor time, whoever spent it. Noise moves it least of all figures. */
export const processorUs = ({ benchUs, programUs, postgresUs }: Sample) => benchUs + programUs + postgresUs

/** Runs a case once, when the machine is quiet (or after a bounded wait). */
export const takeSample = async ({ run }: Case, seconds: number, postgresPid: number): Promise<Sample> => {
  await waitForQuiet(QUIET_WAIT_MS)
  const before = usage(postgresPid)
  const { operations, seconds: took, latenciesMs } = await run(seconds)
  const used = spent(before, usage(postgresPid))
  const eachUs = (share: number) => (share * MICROSECONDS) / operations
  const latency = (share: number) => (latenciesMs.length > 0 ? percentile(latenciesMs, share) : null)
  return {
    perSecond: operations / took,
    p50Ms: latency(0.5),
    p99Ms: latency(0.99),
    benchUs: eachUs(used.bench),
    programUs: eachUs(used.program),
    postgresUs: eachUs(used.postgres),
    othersShare: Math.max(0, used.busy - used.bench - used.program - used.postgres) / used.all,
  }
}

/** The median of each figure by itself. */
export const medianSample = (samples: readonly Sample[]): Sample => {
  const known = (figure: keyof Sample) =>
    samples.map((sample) => sample[figure]).filter((value) => value !== null)
  const of = (figure: keyof Sample) => median(known(figure))
  const latency = (figure: 'p50Ms' | 'p99Ms') => (known(figure).length > 0 ? of(figure) : null)
  return {
    perSecond: of('perSecond'),
    p50Ms: latency('p50Ms'),
    p99Ms: latency('p99Ms'),
    benchUs: of('benchUs'),
    programUs: of('programUs'),
    postgresUs: of('postgresUs'),
    othersShare: of('othersShare'),
  }
}
