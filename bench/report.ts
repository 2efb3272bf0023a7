import { medianSample, type Sample } from './sample.ts'
import { median } from './statistics.ts'
import type { Case, Suite } from './suite.ts'

export type CaseResult = Omit<Case, 'run'> & { readonly samples: readonly Sample[] }
export type SuiteResult = Pick<Suite, 'unit' | 'about'> & {
  readonly name: string
  readonly cases: readonly CaseResult[]
}

const round = (value: number) => Math.round(value).toLocaleString('en-US')
const fine = (value: number) => (value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : round(value))

/** Ours over the ceiling's, round by round; the median of that. */
const ratioOf = (one: CaseResult, all: readonly CaseResult[]): number | undefined => {
  const ceiling = all.find(({ name }) => name === one.ceiling)
  if (!ceiling) return undefined
  return median(one.samples.map(({ perSecond }, n) => perSecond / (ceiling.samples[n]?.perSecond ?? NaN)))
}

const verdict = ({ aim }: CaseResult, { perSecond, p50Ms }: Sample, ratio: number | undefined): string => {
  if (!aim) return ''
  const parts = [
    ...(aim.ratio === undefined ? [] : [{ text: `${aim.ratio}x`, met: (ratio ?? 0) >= aim.ratio }]),
    ...(aim.perSecond === undefined
      ? []
      : [{ text: `${round(aim.perSecond)}/s`, met: perSecond >= aim.perSecond }]),
    ...(aim.p50Ms === undefined ? [] : [{ text: `p50 < ${aim.p50Ms} ms`, met: p50Ms < aim.p50Ms }]),
  ]
  return parts.map(({ text, met }) => `${text} ${met ? 'met' : 'MISSED'}`).join(', ')
}

const HEAD = ['case', 'per second', 'from - to', 'ratio', 'p50 ms', 'p99 ms', 'bench', 'program', 'postgres', 'others', 'aim']

const line = (one: CaseResult, all: readonly CaseResult[]): string[] => {
  const middle = medianSample(one.samples)
  const rates = one.samples.map(({ perSecond }) => perSecond)
  const ratio = ratioOf(one, all)
  return [
    one.name,
    round(middle.perSecond),
    `${round(Math.min(...rates))} - ${round(Math.max(...rates))}`,
    ratio === undefined ? '' : `${ratio.toFixed(2)}x`,
    fine(middle.p50Ms),
    fine(middle.p99Ms),
    round(middle.benchUs),
    round(middle.programUs),
    round(middle.postgresUs),
    `${round(middle.othersShare * 100)} %`,
    verdict(one, middle, ratio),
  ]
}

/** For a terminal. Medians over the rounds; bench, program and postgres are microseconds of processor time each. */
export const table = ({ name, unit, about, cases }: SuiteResult): string => {
  const rows = [HEAD, ...cases.map((one) => line(one, cases))]
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const text = rows.map((row) =>
    row
      .map((cell, column) => {
        const left = column === 0 || column === row.length - 1
        return left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
      })
      .join('  ')
      .trimEnd(),
  )
  return [`\n${name}, in ${unit}`, about, '', ...text, ''].join('\n')
}
