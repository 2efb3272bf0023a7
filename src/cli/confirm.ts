import { createInterface } from 'node:readline/promises'
import { WrongUsage } from './command.ts'

/** Asks whoever sits at the terminal; Ctrl-C and Ctrl-D are a no. */
export const confirm = async (question: string): Promise<boolean> => {
  if (!process.stdin.isTTY) throw new WrongUsage('Nobody can be asked whether it is meant: say --yes.')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const left = new Promise<string>((done) => terminal.once('close', () => done('')))
    const answer = await Promise.race([terminal.question(`${question} [y/N] `), left])
    return answer.trim().toLowerCase() === 'y'
  } finally {
    terminal.close()
  }
}
