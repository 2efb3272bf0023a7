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
const commands: Readonly<Record<string, Command>> = {
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

export const commandNamed = (name: string): Command | undefined =>
  Object.hasOwn(commands, name) ? commands[name] : undefined

const INDENT = ' '.repeat(6)

const usageOf = (name: string, { synopsis, summary }: Command) => [
  `  zapini ${name} ${synopsis}`.trimEnd(),
  ...summary.split('\n').map((line) => `${INDENT}${line}`),
]

/** How a command is called; of all of them, where none is named. */
export const usage = (name = ''): string => {
  const command = commandNamed(name)
  const lines = command
    ? usageOf(name, command)
    : [
        '  zapini',
        `${INDENT}runs the server`,
        ...Object.entries(commands).flatMap((one) => usageOf(...one)),
        '  zapini help [command]',
        `${INDENT}says this`,
      ]
  return ['Usage:', ...lines, ''].join('\n')
}
