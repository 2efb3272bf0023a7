import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Config } from '../../config.ts'
import { openStorage } from '../../storage.ts'
import { WrongUsage, type Command, type Given } from '../command.ts'
import { untilInterrupted } from '../interrupt.ts'
import { copyLog, type Copied } from './copy.ts'
import { refuseIfInUse } from './databases.ts'
import { sourceConfig } from './source.ts'

/** Copies the log of what is named to where the settings point. */
const runCopyLog = async (from: string, { config, log, screen }: Given, interrupted: AbortSignal) => {
  const output = screen.progress
  const before = await sourceConfig(from, process.env)
  if (before.secrets.eventstoreUrl !== undefined && config.secrets.eventstoreUrl !== undefined)
    throw new Error(
      'A log is copied from PostgreSQL or into it. From one EventStoreDB to another it goes in two steps.',
    )
  const copying = `zapini copy-log ${randomBytes(4).toString('hex')}`
  const target = await openStorage(config, log, { copying })
  try {
    interrupted.throwIfAborted()
    // An embedded PostgreSQL that has both is started once.
    const source = await openStorage(before, log, {
      copying,
      visiting: embeddedIn(before) === embeddedIn(config),
    })
    try {
      const copied = await copyLog({
        source: source.deployment,
        target: target.deployment,
        output,
        interrupted,
        refuseIfInUse: async () => {
          await refuseIfInUse(source.pool, 'source', copying)
          await refuseIfInUse(target.pool, 'target', copying)
        },
      })
      output.write(report(copied, before, config))
    } finally {
      await source.close()
    }
  } finally {
    await target.close()
  }
}

/** The folder of its embedded PostgreSQL, if it has one. */
const embeddedIn = ({ settings, secrets }: Config) =>
  secrets.databaseUrl === undefined ? resolve(settings.dataDir) : undefined

const mediaOf = ({ settings: { s3Endpoint, s3Bucket, dataDir } }: Config) =>
  s3Endpoint === undefined ? resolve(dataDir, 'media') : `bucket ${s3Bucket} of ${s3Endpoint}`

/** Where the key of WhatsApp sessions and of the log's keys is, if it is not in the settings. */
const keyFileOf = ({ settings: { dataDir }, secrets: { databaseUrl, encryptionKey } }: Config) =>
  databaseUrl === undefined && encryptionKey === undefined ? resolve(dataDir, 'encryption.key') : undefined

const report = ({ events, sha256, rows }: Copied, before: Config, now: Config) => {
  const [media, mediaNow] = [mediaOf(before), mediaOf(now)]
  const keyFile = keyFileOf(before)
  return [
    `Both logs hold the same ${events} events in the same order (sha256 ${sha256}).`,
    `Reactions go on where they were${rows === undefined ? '' : `; ${rows} rows of deliveries, numbers and the like moved along`}. Read models are made anew at the next start.`,
    ...(media === mediaNow ? [] : [`Media is not copied: move what is in ${media} to ${mediaNow}.`]),
    ...(keyFile === undefined || keyFile === keyFileOf(now)
      ? []
      : [`Set ENCRYPTION_KEY to what is in ${keyFile}: without it no server starts.`]),
    'Do not start a server on the old place again: two would answer the same people.',
    '',
  ].join('\n')
}

export const copyLogCommand: Command = {
  synopsis: '--from PLACE',
  summary: `copies the log, and what belongs to it, to where the settings point. PLACE is what
the server ran on until now: its data folder, a postgres:// or esdb:// URL, or a
file of settings like .env. No server may run meanwhile. Interrupted, the same
command goes on.`,
  run: async (given) => {
    const { from } = parseArgs({ args: [...given.args], options: { from: { type: 'string' } } }).values
    if (from === undefined) throw new WrongUsage('--from is missing.')
    await untilInterrupted((interrupted) => runCopyLog(from, given, interrupted))
    return 0
  },
}
