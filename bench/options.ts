import { parseArgs } from 'node:util'
import { suiteNames, usualSuites, type SuiteName } from './suites.ts'

export type Options = {
  readonly only: readonly SuiteName[]
  readonly rounds: number
  readonly seconds: number
  /** In the log that is replayed. */
  readonly events: number
  readonly jsonFile: string | undefined
  readonly fromFile: string | undefined
  readonly docs: boolean
}

const usage = `npm run bench -- [options]
  --only <names>    of ${suiteNames.join(', ')}; with commas (default: all but replay)
  --rounds <n>      samples of each case, taken in turns (default 3)
  --seconds <n>     length of one sample (default 2)
  --events <n>      in the log that is replayed (default 1000000)
  --json <file>     write every sample to a file as well
  --docs            put the tables into docs/performance.md as well
  --from <file>     measure nothing, show the results in such a file
`

/** Reads the command line. Ends the process with the usage if it asks for help, throws if it makes no sense. */
export const readOptions = (args: string[]): Options => {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', default: usualSuites.join(',') },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '2' },
      events: { type: 'string', default: '1000000' },
      json: { type: 'string' },
      from: { type: 'string' },
      docs: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    process.exit()
  }
  return {
    only: values.only.split(',').map(suiteNamed),
    rounds: numberFrom(1, '--rounds', values.rounds),
    seconds: numberFrom(0.1, '--seconds', values.seconds),
    events: numberFrom(1000, '--events', values.events),
    jsonFile: values.json,
    fromFile: values.from,
    docs: values.docs,
  }
}

const suiteNamed = (name: string): SuiteName => {
  const found = suiteNames.find((known) => known === name.trim())
  if (found === undefined) throw new Error(`--only knows ${suiteNames.join(', ')}, not "${name}".`)
  return found
}

const numberFrom = (least: number, option: string, text: string): number => {
  const value = Number(text)
  if (!(value >= least)) throw new Error(`${option} must be a number from ${least} on, not "${text}".`)
  return value
}
