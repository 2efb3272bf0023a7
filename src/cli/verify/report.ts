import { printable } from '../printable.ts'
import type { LogReport } from './log.ts'
import type { Findings, LogDifference } from './findings.ts'
import type { TableDifference, TableReport } from './tables.ts'

export type Report = {
  readonly log?: LogReport | undefined
  /** What does not open of the log that the tables were compared with, where that was not looked at itself. */
  readonly unopened?: Findings<LogDifference> | undefined
  readonly tables?: readonly TableReport[] | undefined
}

/** All that differs, in log and tables together. */
export const countOf = ({ log, unopened, tables = [] }: Report) =>
  [log?.differences, unopened, ...tables.map(({ differences }) => differences)].reduce(
    (sum, findings) => sum + (findings?.count ?? 0),
    0,
  )

const ofLog = ({ position, stream, revision, type, what }: LogDifference) =>
  position === undefined ? what : `position ${position}, ${stream} revision ${revision}, ${type}: ${what}`

const ofTable = (difference: TableDifference) => {
  switch (difference.kind) {
    case 'table':
      return difference.what
    case 'row missing':
      return `row ${difference.key} is missing`
    case 'row too many':
      return `row ${difference.key} is not of the log`
    case 'row changed':
      return difference.columns
        .map(
          ({ column, live, replayed }) =>
            `row ${difference.key}, ${column}: ${live ?? 'null'} in the table, ${replayed ?? 'null'} by the log`,
        )
        .map(printable)
        .join('\n  ')
  }
}

const listed = <D>(
  { list, count }: { readonly list: readonly D[]; readonly count: number },
  say: (one: D) => string,
) => [
  ...list.map((one) => `  ${say(one)}`),
  ...(count > list.length ? [`  and ${count - list.length} more`] : []),
]

const amount = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

const logLines = ({ events, streams, position, digest, chained, erased, differences }: LogReport) => [
  `Log: ${amount(events, 'event')} of ${amount(streams, 'stream')} up to position ${position}, ${erased} erased; ${amount(differences.count, 'difference')}`,
  ...listed(differences, ofLog),
  `Chain: ${amount(chained, 'event')}${chained < events ? `, the last ${events - chained} not yet` : ''}`,
  `To compare a later log with this one: --expect ${events}:${digest}`,
]

const unopenedLines = (unopened: Findings<LogDifference>) =>
  unopened.count === 0
    ? []
    : [
        `Log: ${amount(unopened.count, 'event')} of which something does not open, and reads as erased in what follows`,
        ...listed(unopened, ofLog),
      ]

const tableLines = ({ table, position, rows, differences }: TableReport) => [
  `Table ${table}: ${amount(rows, 'row')} at position ${position}; ${amount(differences.count, 'difference')}`,
  ...listed(differences, ofTable),
]

/** For people. */
export const asText = (report: Report): string => {
  const { log, unopened, tables = [] } = report
  const count = countOf(report)
  const lines = [
    ...(log ? logLines(log) : []),
    ...(unopened ? unopenedLines(unopened) : []),
    ...tables.flatMap(tableLines),
  ]
  return [...lines, count === 0 ? 'All is well.' : `${amount(count, 'difference')}.`, ''].join('\n')
}

const found = <D>({ list, count }: { readonly list: readonly D[]; readonly count: number }) => ({
  differences: list,
  difference_count: count,
})

/** For programs. */
export const asJson = (report: Report): string => {
  const { log, unopened, tables } = report
  const value = {
    ok: countOf(report) === 0,
    ...(log && { log: { ...log, position: String(log.position), ...found(log.differences) } }),
    ...(unopened && { unopened: found(unopened) }),
    ...(tables && {
      tables: tables.map((one) => ({ ...one, position: String(one.position), ...found(one.differences) })),
    }),
  }
  return `${JSON.stringify(value, undefined, 2)}\n`
}
