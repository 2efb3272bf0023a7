import { auditCommand } from './audit/command.ts'
import type { Command } from './command.ts'
import { copyLogCommand } from './copy-log/command.ts'
import { eraseCommand } from './erase/command.ts'
import { exportCommand } from './export/command.ts'
import { importCommand } from './import/command.ts'
import { lostKeysCommand } from './lost-keys.ts'
import { replayCommand } from './replay.ts'
import { verifyCommand } from './verify/command.ts'
import { webhooksCommand } from './webhooks/command.ts'

/** Every command beside the server itself. */
export const commands: Readonly<Record<string, Command>> = {
  replay: replayCommand,
  verify: verifyCommand,
  audit: auditCommand,
  export: exportCommand,
  import: importCommand,
  erase: eraseCommand,
  'lost-keys': lostKeysCommand,
  webhooks: webhooksCommand,
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
