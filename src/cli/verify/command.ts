import { parseArgs } from 'node:util'
import { refuseWrongLog, WrongLog, type Deployment } from '../../followed-log.ts'
import { visit, WrongUsage, type Command, type Given } from '../command.ts'
import { startProgress } from '../progress.ts'
import { readModelsNamed } from '../read-models-named.ts'
import { createWriter } from '../write.ts'
import { collect, type LogDifference } from './findings.ts'
import { verifyLog, type Expected, type LogReport } from './log.ts'
import { openedLog } from './opening.ts'
import { asJson, asText, countOf } from './report.ts'
import { verifyTables } from './tables.ts'

/** Differences of the log, and of each table, that are named; the others are counted. */
const NAMED_MAX = 1000

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
  const named = readModelsNamed(names)
  const expected = values.expect === undefined ? undefined : expectedOf(values.expect)
  const looksAtLog = !values.tables && names.length === 0
  if (expected && !looksAtLog) throw new WrongUsage('--expect is said of the log.')
  return {
    looksAtLog,
    expected,
    wanted: values.log ? [] : named,
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
    async ({ workPool: pool, stored, keys, deployment }, interrupted) => {
      const wrong = looksAtLog ? await wrongLogOf(deployment) : undefined
      const checkLog = async (): Promise<LogReport> => {
        const { show, end } = startProgress(progress, 'log')
        const log = await verifyLog({
          ...{ pool, stored, keys, expected, wrong, interrupted },
          ...{ max: NAMED_MAX, onProgress: show },
        })
        end(log.events)
        return log
      }
      const checkTables = async () => {
        const { show, end } = startProgress(progress, 'tables')
        const unopened = collect<LogDifference>(NAMED_MAX)
        let count = 0
        const onProgress: typeof show = (position, head, events) => show(position, head, (count = events))
        const tables = await verifyTables({
          ...{ pool, store: openedLog(stored, keys, unopened.add), projections: wanted },
          ...{ showValues, max: NAMED_MAX, onProgress, interrupted },
        })
        end(count)
        return { tables, ...(!looksAtLog && { unopened: unopened.findings() }) }
      }
      return {
        log: looksAtLog ? await checkLog() : undefined,
        ...(wanted.length > 0 && (await checkTables())),
      }
    },
    { anyLog: looksAtLog },
  )
  await createWriter(out)(json ? asJson(report) : asText(report))
  return countOf(report) === 0 ? 0 : 1
}

/** Why the log is not the one that the database belongs to. */
const wrongLogOf = async (deployment: Deployment): Promise<string | undefined> => {
  try {
    await refuseWrongLog(deployment)
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
Ends with 0 if all is well, with 1 if not, with 2 if it could not look.`,
  run,
  failed: 2,
}
