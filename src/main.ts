#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runCopyLog } from './cli/copy-log/command.ts'
import { replay } from './cli/replay.ts'
import { loadConfig } from './config.ts'
import { createLog } from './log.ts'
import { openStorage } from './parts.ts'
import { serve } from './serve.ts'

const USAGE = `Usage:
  zapini                         runs the server
  zapini replay [table ...]      makes read models anew from the log, all or those named; the server may run meanwhile
  zapini copy-log --from PLACE   copies the log, and what belongs to it, to where the settings point. PLACE is what the
                                 server ran on until now: its data folder, a postgres:// or esdb:// URL, or a file of
                                 settings like .env. No server may run meanwhile. Interrupted, the same command goes on.
`

const showUsage = () => {
  process.stderr.write(USAGE)
  process.exitCode = 2
}

const main = async ([command, ...rest]: readonly string[]) => {
  if (existsSync('.env')) process.loadEnvFile('.env')
  const config = loadConfig(process.env)
  const log = createLog(config.settings.logLevel)
  switch (command) {
    case undefined: {
      const stop = new AbortController()
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
      await serve(config, log, stop.signal)
      // All is closed; timers of WhatsApp's client may run for half a minute yet.
      return process.exit()
    }
    case 'replay': {
      const { workPool, store, close } = await openStorage(config, log, { visiting: true })
      try {
        return await replay(workPool, store, rest, process.stdout)
      } finally {
        await close()
      }
    }
    case 'copy-log': {
      const { from } = parseArgs({ args: [...rest], options: { from: { type: 'string' } } }).values
      return from === undefined ? showUsage() : runCopyLog(from, config, log, process.stdout)
    }
    default:
      showUsage()
  }
}

/** Words for people; where it happened only for those who look into it. */
const describe = (error: unknown) => {
  if (!(error instanceof Error)) return String(error)
  const wantsStack = ['debug', 'trace'].includes(process.env['LOG_LEVEL'] ?? '')
  return wantsStack ? (error.stack ?? error.message) : error.message
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${describe(error)}\n`)
  process.exitCode = 1
  // What was opened before the fault may keep the process alive.
  setTimeout(() => process.exit(), 1000).unref()
})
