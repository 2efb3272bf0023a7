import { writeFile } from 'node:fs/promises'
import { startDatabase } from './database.ts'
import { readOptions } from './options.ts'
import { createProgress } from './progress.ts'
import { table, type CaseResult, type SuiteResult } from './report.ts'
import { takeSample, type Sample } from './sample.ts'
import type { Suite } from './suite.ts'
import { suites, type SuiteName } from './suites.ts'

const options = readOptions(process.argv.slice(2))
const progress = createProgress()

/** The cases in turns, round after round, so that what disturbs the machine disturbs all of them alike. */
const measure = async (name: SuiteName, { cases, unit, about }: Suite, postgresPid: number): Promise<SuiteResult> => {
  const taken = new Map<string, Sample[]>(cases.map((one) => [one.name, []]))
  for (let round = 1; round <= options.rounds; round++)
    for (const one of cases) {
      progress.show(`${name}: round ${round} of ${options.rounds}, ${one.name}`)
      taken.get(one.name)?.push(await takeSample(one, options.seconds, postgresPid))
    }
  const results = cases.map(
    ({ run: _run, ...described }): CaseResult => ({ ...described, samples: taken.get(described.name) ?? [] }),
  )
  return { name, unit, about, cases: results }
}

const main = async () => {
  const database = await startDatabase()
  const results: SuiteResult[] = []
  try {
    for (const name of options.only) {
      progress.show(`${name}: starting`)
      const suite = await suites[name](database)
      try {
        results.push(await measure(name, suite, database.pid))
      } finally {
        await suite.close()
      }
    }
  } finally {
    progress.end()
    await database.stop()
  }
  process.stdout.write(results.map(table).join('\n'))
  if (options.jsonFile) await writeFile(options.jsonFile, `${JSON.stringify(results, undefined, 1)}\n`)
}

await main()
