import { startDatabase } from './database.ts'
import { readOptions, type Options } from './options.ts'
import { createProgress } from './progress.ts'
import { table, type CaseResult, type SuiteResult } from './report.ts'
import { machine, readResults, updateDocument, writeResults, type Results } from './results.ts'
import { takeSample, type Sample } from './sample.ts'
import type { Suite } from './suite.ts'
import { suites } from './suites.ts'

const progress = createProgress()
let interrupted = false
// What is under way ends in order, so that no database is left behind. A second Ctrl-C ends at once.
process.once('SIGINT', () => (interrupted = true))

/** The cases in turns, round after round, so that what disturbs the machine disturbs all of them alike. */
const measure = async (
  name: string,
  { cases, unit, about, notes = () => [] }: Suite,
  { rounds, seconds }: Options,
  postgresPid: number,
): Promise<SuiteResult> => {
  const taken = new Map<string, Sample[]>(cases.map((one) => [one.name, []]))
  for (let round = 1; round <= rounds; round++)
    for (const one of cases) {
      if (interrupted) throw new Error('Interrupted')
      progress.show(`${name}: round ${round} of ${rounds}, ${one.name}`)
      taken.get(one.name)?.push(await takeSample(one, seconds, postgresPid))
    }
  const results = cases.map(({ run: _run, ...described }): CaseResult => ({
    ...described,
    samples: taken.get(described.name) ?? [],
  }))
  return { name, unit, about, cases: results, notes: notes() }
}

const measureAll = async (options: Options): Promise<Results> => {
  if (process.platform !== 'linux')
    throw new Error('The bench reads processor times from /proc: run it on Linux.')
  const { rounds, seconds } = options
  const at = new Date().toISOString()
  const database = await startDatabase()
  const measured: SuiteResult[] = []
  try {
    for (const name of options.only) {
      progress.show(`${name}: starting`)
      const suite = await suites[name](database, (text) => progress.show(`${name}: ${text}`), options)
      try {
        measured.push(await measure(name, suite, options, database.pid))
      } finally {
        await suite.close()
      }
    }
    return { at, machine: machine(await database.version()), rounds, seconds, suites: measured }
  } finally {
    progress.end()
    await database.stop()
  }
}

const HOW_TO_READ = `
Medians over the rounds. "ratio" is the rate over that of the ceiling, measured in the same run; "us" is processor time
of each operation in microseconds (the bench with its clients and receiver, the program or its stand-in, PostgreSQL), "CPU ratio"
its sum over that of the ceiling. "over ms" is the p50 above that of the ceiling. "others" is the share of all processors that others used: above a tenth, believe
the ratios rather than the rates.
`

const main = async (options: Options) => {
  const results = options.fromFile ? await readResults(options.fromFile) : await measureAll(options)
  process.stdout.write(`${results.suites.map(table).join('\n')}${HOW_TO_READ}`)
  if (options.jsonFile) await writeResults(options.jsonFile, results)
  if (options.docs) await updateDocument(results)
}

try {
  await main(readOptions(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(
    `${error instanceof Error ? (interrupted ? error.message : error.stack) : String(error)}\n`,
  )
  process.exitCode = 1
}
