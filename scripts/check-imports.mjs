/**
 * Holds src to the rules of .dependency-cruiser.mjs, and the rules to src: dependency-cruiser is content where it finds
 * nothing to look at (as with a TypeScript it cannot read), and so is a rule about a folder that has been renamed.
 */
import { cruise, format } from 'dependency-cruiser'
import extractOptions from 'dependency-cruiser/config-utl/extract-depcruise-options'
import extractTypeScript from 'dependency-cruiser/config-utl/extract-ts-config'

const options = await extractOptions('./.dependency-cruiser.mjs')
const { output } = await cruise(['src'], options, undefined, {
  tsConfig: extractTypeScript('./tsconfig.json'),
})
const report = await format(output, { outputType: 'err' })
process.stdout.write(report.output)

const files = output.modules.map(({ source }) => source).filter((source) => source.startsWith('src/'))
const imports = output.modules.flatMap(({ dependencies }) => dependencies)
const idle = output.summary.ruleSetUsed.forbidden.filter(
  ({ from }) => from.path && !files.some((file) => new RegExp(from.path).test(file)),
)
const faults =
  imports.length === 0
    ? ['There was nothing to check: no file, or no import.']
    : idle.map(({ name }) => `The rule ${name} is about no file.`)
for (const fault of faults) console.error(fault)
process.exitCode = report.exitCode > 0 || faults.length > 0 ? 1 : 0
