import { auditCommand } from './audit/command.ts'
import type { Command } from './command.ts'
import { copyLogCommand } from './copy-log/command.ts'
import { replayCommand } from './replay.ts'

/** Every command beside the server itself. */
export const commands: Readonly<Record<string, Command>> = {
  replay: replayCommand,
  audit: auditCommand,
  'copy-log': copyLogCommand,
}

const INDENT = ' '.repeat(6)

export const usage = () =>
  [
    'Usage:',
    '  zapini',
    `${INDENT}runs the server`,
    ...Object.entries(commands).flatMap(([name, { synopsis, summary }]) => [
      `  zapini ${name} ${synopsis}`.trimEnd(),
      ...summary.split('\n').map((line) => `${INDENT}${line}`),
    ]),
    '',
  ].join('\n')
