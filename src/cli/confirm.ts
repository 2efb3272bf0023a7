import { createInterface } from 'node:readline/promises'
import { WrongUsage } from './command.ts'

/** Asks whoever sits at the terminal. */
export const confirm = async (question: string): Promise<boolean> => {
  if (!process.stdin.isTTY) throw new WrongUsage('Nobody can be asked whether it is meant: say --yes.')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await terminal.question(`${question} [y/N] `)).trim().toLowerCase() === 'y'
  } finally {
    terminal.close()
  }
}
