import { parseArgs } from 'node:util'
import { followLog, WrongLog } from '../../followed-log.ts'
import { projections } from '../../projections/index.ts'
import type { AnyProjection } from '../../projections/projection.ts'
import { visit, WrongUsage, type Command, type Given } from '../command.ts'
import { startProgress } from '../progress.ts'
import { verifyLog, type Expected, type LogReport } from './log.ts'
import { asJson, asText, countOf } from './report.ts'
import { verifyTables } from './tables.ts'

/** Differences of the log, and of each table, that are named; the others are counted. */
const NAMED_MAX = 1000

const all: readonly AnyProjection[] = Object.values(projections)
const optionsOf = (args: readonly string[]) => {
  const { values, positionals: names } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      log: { type: 'boolean', default: false },
      tables: { type: 'boolean', default: false },
      expect: { type: 'string' },
      'show-values': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  if (values.log && (values.tables || names.length > 0))
    throw new WrongUsage('--log looks at the log only, and not at tables.')
  const unknown = names.find((name) => !all.some((one) => one.name === name))
  if (unknown !== undefined)
    throw new WrongUsage(
      `There is no read model ${unknown}. There are: ${all.map(({ name }) => name).join(', ')}.`,
    )
  const expected = values.expect === undefined ? undefined : expectedOf(values.expect)
  const looksAtLog = !values.tables && names.length === 0
  if (expected && !looksAtLog) throw new WrongUsage('--expect is said of the log.')
  return {
    looksAtLog,
    expected,
    wanted: values.log ? [] : all.filter(({ name }) => names.length === 0 || names.includes(name)),
    showValues: values['show-values'],
    json: values.json,
  }
}

const expectedOf = (text: string): Expected => {
  const [, events, digest] = /^([1-9]\d{0,14}):([0-9a-f]{64})$/i.exec(text) ?? []
  if (events === undefined || digest === undefined)
    throw new WrongUsage('--expect is EVENTS:DIGEST, as an earlier run of this command said it.')
  return { events: Number(events), digest: digest.toLowerCase() }
}

const run = async (given: Given): Promise<number> => {
  const { looksAtLog, expected, wanted, showValues, json } = optionsOf(given.args)
  const { out, progress } = given.screen
  const report = await visit(
    given,
    async ({ workPool: pool, store, stored, keys, deployment }) => {
      const wrong = looksAtLog
        ? await wrongLogOf(() => followLog(deployment, { mayBegin: false }))
        : undefined
      const checkLog = async (): Promise<LogReport> => {
        const { show, end } = startProgress(progress, 'log')
        const log = await verifyLog({
          ...{ pool, stored, keys, expected, wrong },
          ...{ max: NAMED_MAX, onProgress: show },
        })
        end(log.events)
        return log
      }
      const checkTables = async () => {
        const { show, end } = startProgress(progress, 'tables')
        let count = 0
        const onProgress: typeof show = (position, head, events) => show(position, head, (count = events))
        const tables = await verifyTables({
          ...{ pool, store, projections: wanted, showValues, onProgress },
          max: NAMED_MAX,
        })
        end(count)
        return tables
      }
      return {
        log: looksAtLog ? await checkLog() : undefined,
        tables: wanted.length > 0 ? await checkTables() : undefined,
      }
    },
    { anyLog: looksAtLog },
  )
  out.write(json ? asJson(report) : asText(report))
  return countOf(report) === 0 ? 0 : 1
}

/** Why the log is not the one that the database belongs to. */
const wrongLogOf = async (judge: () => Promise<unknown>): Promise<string | undefined> => {
  try {
    await judge()
    return undefined
  } catch (error) {
    if (error instanceof WrongLog) return error.message
    throw error
  }
}

export const verifyCommand: Command = {
  synopsis: '[--log | --tables] [table ...] [--expect EVENTS:DIGEST] [--show-values] [--json]',
  summary: `compares the log with its hash chain and all rules, and read models with what the log
makes of them, and names every difference; the server may run meanwhile. --expect
compares the log with what an earlier run said. --show-values shows texts, too.
Ends with 0 if all is well, with 1 if not.`,
  run,
}
