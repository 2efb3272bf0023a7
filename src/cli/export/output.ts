import { randomBytes } from 'node:crypto'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import type { Write } from '../write.ts'

/** Where a file is put. What is there and no file, such as a device, must not be replaced by one. */
const placeOf = async (path: string): Promise<string> => {
  const found = await stat(path).catch(() => undefined)
  if (!found) return path
  if (!found.isFile()) throw new Error(`${path} is no file: write to standard output instead.`)
  return realpath(path)
}

/** Writes to a file that nobody else may read, which has its name only once it is whole. */
export const writeFile = async <T>(name: string, work: (write: Write) => Promise<T>): Promise<T> => {
  const path = await placeOf(name)
  const unfinished = `${path}.${randomBytes(4).toString('hex')}.part`
  const file = await open(unfinished, 'wx', 0o600)
  try {
    const result = await work((text) => file.appendFile(text))
    await file.sync()
    await file.close()
    await rename(unfinished, path)
    return result
  } catch (error) {
    await file.close().catch(() => {})
    await rm(unfinished, { force: true })
    throw error
  }
}
