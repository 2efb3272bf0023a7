import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { Writable } from 'node:stream'
import type { Output } from '../progress.ts'

/** Resolves once there is room for more. */
export type Write = (text: string) => Promise<void>

/** Writes to a file that nobody else may read, which has its name only once it is whole. */
export const writeFile = async <T>(path: string, work: (write: Write) => Promise<T>): Promise<T> => {
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

/** Writes to what stands at the other end of a pipe, no faster than it reads. */
export const writeTo = async <T>(output: Output, work: (write: Write) => Promise<T>): Promise<T> => {
  if (!(output instanceof Writable)) return work((text) => Promise.resolve(void output.write(text)))
  // Told to whoever writes; without a listener it would end the process.
  const onError = () => {}
  output.on('error', onError)
  try {
    return await work(
      (text) =>
        new Promise((done, failed) => output.write(text, (error) => (error ? failed(error) : done()))),
    )
  } finally {
    output.off('error', onError)
  }
}
