import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Of this program, as its package says. */
export const version = async (): Promise<string> => {
  const file = await readFile(join(import.meta.dirname, '..', 'package.json'), 'utf8')
  return String((JSON.parse(file) as { version: unknown }).version)
}
