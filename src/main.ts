#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { WrongUsage } from './cli/command.ts'
import { commandNamed, usage } from './cli/index.ts'
import { loadConfig } from './config.ts'
import { createLog } from './log.ts'

const [name, ...args] = process.argv.slice(2)

const main = async () => {
  if (name === 'help' || process.argv.includes('--help')) {
    process.stdout.write(usage(name === 'help' ? args[0] : name))
    return
  }
  if (existsSync('.env')) process.loadEnvFile('.env')
  const command = name === undefined ? undefined : commandNamed(name)
  if (name !== undefined && !command) throw new WrongUsage(`There is no command ${name}.`)
  const config = loadConfig(process.env)
  // Standard output is for what a command answers.
  const log = createLog(config.settings.logLevel, command && process.stderr)
  if (command) {
    const screen = { out: process.stdout, progress: process.stderr }
    // Whoever reads may go before the end. Those who write much are told by `createWriter`.
    for (const output of Object.values(screen)) output.on('error', () => {})
    process.exitCode = await command.run({ args, config, log, screen })
    return
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const { serve } = await import('./serve.ts')
  await serve(config, log, stop.signal)
  // All is closed; timers of WhatsApp's client may run for half a minute yet.
  process.exit()
}

/** Words for people; where it happened only for those who look into it. */
const describe = (error: unknown) => {
  if (!(error instanceof Error)) return String(error)
  if (isWrongUsage(error)) return `${error.message}\n\n${usage(name)}`
  const wantsStack = ['debug', 'trace'].includes(process.env['LOG_LEVEL'] ?? '')
  return wantsStack ? (error.stack ?? error.message) : error.message
}

/** Ours, and those of parseArgs. */
const isWrongUsage = (error: Error) =>
  error instanceof WrongUsage || ('code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))

main().catch((error: unknown) => {
  process.stderr.write(`${describe(error)}\n`)
  process.exitCode =
    error instanceof Error && isWrongUsage(error) ? 2 : (commandNamed(name ?? '')?.failed ?? 1)
  // What was opened before the fault may keep the process alive.
  setTimeout(() => process.exit(), 1000).unref()
})
