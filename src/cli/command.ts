import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import { openStorage, type Storage } from '../storage.ts'
import { untilInterrupted } from './interrupt.ts'
import type { Output } from './progress.ts'

/** Where a command's answer goes, and where it tells people how it is getting on. */
export type Screen = { readonly out: Output; readonly progress: Output }

export type Given = {
  /** What stands behind the command. */
  readonly args: readonly string[]
  readonly config: Config
  readonly log: Log
  readonly screen: Screen
}

export type Command = {
  /** What stands behind it, as in `[table ...]`. */
  readonly synopsis: string
  /** For the usage: lines of at most 80 characters. */
  readonly summary: string
  /** Answers the exit code. Throws WrongUsage, or whatever went wrong, with words for people. */
  readonly run: (given: Given) => Promise<number>
  /** The exit code where that could not be done: 1, unless it is an answer. */
  readonly failed?: number
}

/** The command was not called as its synopsis says. */
export class WrongUsage extends Error {
  override name = 'WrongUsage'
}

/**
 * Opens the log and the database beside a program that may be running, and closes them again. The work hears when
 * somebody wants it to stop.
 */
export const visit = <T>(
  { config, log }: Pick<Given, 'config' | 'log'>,
  work: (storage: Storage, interrupted: AbortSignal) => Promise<T>,
  use: { readonly anyLog?: boolean } = {},
): Promise<T> =>
  untilInterrupted(async (interrupted) => {
    const storage = await openStorage(config, log, { visiting: true, ...use })
    try {
      interrupted.throwIfAborted()
      return await work(storage, interrupted)
    } finally {
      await storage.close()
    }
  })
