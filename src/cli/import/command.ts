import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { openStorage } from '../../storage.ts'
import { WrongUsage, type Command, type Given } from '../command.ts'
import { refuseIfInUse } from '../copy-log/databases.ts'
import type { Header } from '../export/format.ts'
import { untilInterrupted } from '../interrupt.ts'
import { plainLog } from '../plain-log.ts'
import { startProgress } from '../progress.ts'
import { checkExport, openExport, type Checked, type ExportFile } from './export-file.ts'
import { importLog } from './import.ts'
import { sealAll } from './seal.ts'

const check = async (source: ExportFile, { screen }: Given): Promise<Checked> => {
  const checking = startProgress(screen.progress, 'checking')
  const checked = await checkExport(source, checking.show)
  checking.end(checked.events)
  return checked
}

const fill = async (source: ExportFile, checked: Checked, given: Given, interrupted: AbortSignal) => {
  const { config, log, screen } = given
  const copying = `zapini import ${randomBytes(4).toString('hex')}`
  const storage = await openStorage(config, log, { copying, sealing: true })
  const { deployment: target, store, stored, keys, pool } = storage
  try {
    interrupted.throwIfAborted()
    const { events, sha256 } = await importLog({
      source,
      checked,
      target,
      reading: plainLog(store, stored),
      seal: sealAll(keys),
      output: screen.progress,
      interrupted,
      refuseIfInUse: () => refuseIfInUse(pool, 'target', copying),
    })
    screen.progress.write(report(checked.header, events, sha256))
  } finally {
    await storage.close()
  }
}

const contents: Record<Header['scope']['kind'], string> = {
  log: 'all of a log',
  tenant: 'one tenant',
  conversation: 'one conversation, and what belongs to it',
}

const report = ({ scope, at }: Header, events: number, sha256: string) =>
  [
    `The log holds the same ${events} events as the export of ${at}, in the same order (sha256 ${sha256}): ${contents[scope.kind]}.`,
    'Read models are made at the next start, numbers go on after the highest, and nobody is told this history again.',
    'Not in an export, and so not here: the bytes of media (copy them as docs/operations.md says), sessions of WhatsApp (pair each phone again) and of the sandbox, deliveries of webhooks, settings.',
    ...(scope.kind === 'conversation'
      ? [
          'There are no accounts in it: the first start makes one, for the tenant that a new deployment begins with.',
        ]
      : []),
    '',
  ].join('\n')

export const importCommand: Command = {
  synopsis: 'FILE | -',
  summary: `fills an empty log from what export wrote, a file or standard input, with the same
ids, revisions and numbers. No server may run on it meanwhile. Interrupted, the same
command goes on.`,
  run: async (given) => {
    const { positionals } = parseArgs({ args: [...given.args], allowPositionals: true })
    const [path] = positionals
    if (path === undefined || positionals.length > 1) throw new WrongUsage('One file is imported at a time.')
    const source = await openExport(path, process.stdin)
    try {
      const checked = await check(source, given)
      await untilInterrupted((interrupted) => fill(source, checked, given, interrupted))
    } finally {
      await source.file.close()
    }
    return 0
  },
}
