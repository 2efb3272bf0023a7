import { processorUs, medianSample, type Sample } from './sample.ts'
import { median } from './statistics.ts'
import type { Case, Suite } from './suite.ts'

export type CaseResult = Omit<Case, 'run'> & { readonly samples: readonly Sample[] }
export type SuiteResult = Pick<Suite, 'unit' | 'about'> & {
  readonly name: string
  readonly cases: readonly CaseResult[]
  readonly notes?: readonly string[]
}

const round = (value: number) => Math.round(value).toLocaleString('en-US')
const fine = (value: number | null) =>
  value === null ? '' : value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : round(value)
const times = (ratio: number | undefined) => (ratio === undefined ? '' : `${ratio.toFixed(2)}x`)

type Ratios = { readonly rate?: number; readonly processor?: number; readonly overMs?: number }

/** Ours against the ceiling's, round by round; the median of that. */
const ratiosOf = (one: CaseResult, all: readonly CaseResult[]): Ratios => {
  const ceiling = all.find(({ name }) => name === one.ceiling)
  if (!ceiling) return {}
  const compare = (how: (ours: Sample, theirs: Sample) => number) =>
    median(
      one.samples.flatMap((ours, n) => {
        const theirs = ceiling.samples[n]
        return theirs ? [how(ours, theirs)] : []
      }),
    )
  const hasLatency = one.samples.every(({ p50Ms }) => p50Ms !== null)
  return {
    rate: compare((ours, theirs) => ours.perSecond / theirs.perSecond),
    processor: compare((ours, theirs) => processorUs(ours) / processorUs(theirs)),
    ...(hasLatency && { overMs: compare((ours, theirs) => (ours.p50Ms ?? 0) - (theirs.p50Ms ?? 0)) }),
  }
}

const verdict = ({ aim }: CaseResult, { perSecond, p50Ms }: Sample, ratios: Ratios): string => {
  const { ratio: least, perSecond: rate, p50Ms: latency, overMs: over } = aim ?? {}
  const parts = [
    ...(least === undefined ? [] : [{ text: `${least}x`, met: (ratios.rate ?? 0) >= least }]),
    ...(rate === undefined ? [] : [{ text: `${round(rate)}/s`, met: perSecond >= rate }]),
    ...(latency === undefined ? [] : [{ text: `p50 < ${latency} ms`, met: (p50Ms ?? Infinity) < latency }]),
    ...(over === undefined ? [] : [{ text: `over < ${over} ms`, met: (ratios.overMs ?? Infinity) < over }]),
  ]
  return parts.map(({ text, met }) => `${text} ${met ? 'met' : 'MISSED'}`).join(', ')
}

const HEAD = [
  'case',
  '/s',
  'lowest',
  'highest',
  'ratio',
  'p50 ms',
  'p99 ms',
  'over ms',
  'bench us',
  'program us',
  'postgres us',
]
HEAD.push('CPU ratio', 'others', 'aim')

const cellsOf = (one: CaseResult, all: readonly CaseResult[]): string[] => {
  const middle = medianSample(one.samples)
  const rates = one.samples.map(({ perSecond }) => perSecond)
  const ratios = ratiosOf(one, all)
  return [
    one.name,
    round(middle.perSecond),
    round(Math.min(...rates)),
    round(Math.max(...rates)),
    times(ratios.rate),
    fine(middle.p50Ms),
    fine(middle.p99Ms),
    fine(ratios.overMs ?? null),
    fine(middle.benchUs),
    fine(middle.programUs),
    fine(middle.postgresUs),
    times(ratios.processor),
    `${round(middle.othersShare * 100)} %`,
    verdict(one, middle, ratios),
  ]
}

const rowsOf = ({ cases }: SuiteResult) => [HEAD, ...cases.map((one) => cellsOf(one, cases))]

/** For a terminal. */
export const table = (suite: SuiteResult): string => {
  const rows = rowsOf(suite)
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        const isText = column === 0 || column === row.length - 1
        const width = widths[column] ?? 0
        return isText ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
  return [`\n${suite.name}, in ${suite.unit}`, suite.about, '', ...lines, '', ...(suite.notes ?? [])].join(
    '\n',
  )
}

/** For a document, under a heading. */
export const markdown = (suite: SuiteResult): string => {
  const [head = [], ...rows] = rowsOf(suite)
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = line(head.map((_, column) => (column === 0 || column === head.length - 1 ? '---' : '---:')))
  const notes = suite.notes ?? []
  return [suite.name, '', suite.about, '', line(head), rule, ...rows.map(line), '', ...notes].join('\n')
}
