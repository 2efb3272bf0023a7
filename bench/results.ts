import { readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { markdown, type SuiteResult } from './report.ts'
import { suiteNames } from './suites.ts'

const GIBIBYTE = 2 ** 30
const DOCUMENT = resolve('docs/performance.md')
const BEGIN = '<!-- Made by "npm run bench -- --docs": change nothing from here -->'
const END = '<!-- to here -->'
const HEADING = '### '

/** Everything that was measured, and on what. */
export type Results = {
  readonly at: string
  readonly machine: {
    readonly processors: string
    readonly memoryGiB: number
    readonly node: string
    readonly postgres: string
  }
  readonly rounds: number
  readonly seconds: number
  readonly suites: readonly SuiteResult[]
}

export const machine = (postgres: string): Results['machine'] => {
  const processors = cpus()
  return {
    processors: `${processors.length} x ${processors[0]?.model ?? 'unknown'}`,
    memoryGiB: Math.round(totalmem() / GIBIBYTE),
    node: process.version,
    postgres,
  }
}

export const writeResults = async (file: string, results: Results): Promise<void> =>
  writeFile(file, `${JSON.stringify(results, undefined, 1)}\n`)

export const readResults = async (file: string): Promise<Results> =>
  JSON.parse(await readFile(file, 'utf8')) as Results

const section = (suite: SuiteResult, results: Results): string => {
  const { at, machine, rounds, seconds } = results
  const { processors, memoryGiB, node, postgres } = machine
  const measured = `Measured on ${at.slice(0, 10)}: ${processors}, ${memoryGiB} GiB, Node ${node}, PostgreSQL ${postgres}; \
${rounds === 1 ? 'one round' : `medians of ${rounds} rounds`} of ${seconds} s.`
  return `${HEADING}${markdown(suite)}\n\n${measured}\n`
}

/** Puts the tables into docs/performance.md, in place of those of the same suites. */
export const updateDocument = async (results: Results): Promise<void> => {
  const text = await readFile(DOCUMENT, 'utf8')
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin)
    throw new Error(`${DOCUMENT} has lost the lines around its tables:\n${BEGIN}\n${END}`)
  const [, ...there] = text.slice(begin, end).split(HEADING)
  const sections = new Map(there.map((one) => [one.slice(0, one.indexOf('\n')), `${HEADING}${one}`]))
  for (const suite of results.suites) sections.set(suite.name, section(suite, results))
  const inOrder = suiteNames.flatMap((name) => sections.get(name) ?? [])
  const updated = [text.slice(0, begin) + BEGIN, '', ...inOrder, text.slice(end)].join('\n')
  const style = await resolveConfig(DOCUMENT)
  await writeFile(DOCUMENT, await format(updated, { ...style, filepath: DOCUMENT }))
}
