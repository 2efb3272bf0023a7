import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Refusal } from '../domain/errors.ts'

const STALL_MS = 30_000

/** A file that is completely here, but not yet anybody's. */
export type Spooled = {
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly sha256: string
  discard(): Promise<void>
}

/**
 * Writes a stream to a temporary file in `folder`. Stops with `exceeded()` as soon as there are more than `maxBytes`, and
 * when nothing comes for a while; whatever goes wrong, nothing is left.
 */
export const createSpool =
  (folder: string, stallMs = STALL_MS) =>
  async (body: Readable, maxBytes: number, exceeded: () => Error): Promise<Spooled> => {
    const path = join(folder, randomUUID())
    const hash = createHash('sha256')
    let size = 0
    const measured = async function* (parts: AsyncIterable<Buffer>) {
      for await (const part of parts) {
        stalled.refresh()
        size += part.length
        if (size > maxBytes) throw exceeded()
        hash.update(part)
        yield part
      }
    }
    const discard = () => rm(path, { force: true })
    // One that fails before it is read fails here; without a listener that would end the process.
    body.on('error', () => undefined)
    const stalled = setTimeout(() => body.destroy(tooSlow(stallMs)), stallMs)
    let file: WriteStream | undefined
    try {
      await mkdir(folder, { recursive: true })
      file = createWriteStream(path, { flags: 'wx' })
      await pipeline(body, measured, file)
      return { path, size, sha256: hash.digest('hex'), discard }
    } catch (error) {
      // The file may only be about to be made.
      await closed(file)
      await discard()
      throw error
    } finally {
      clearTimeout(stalled)
    }
  }

const closed = (file: WriteStream | undefined) =>
  new Promise<void>((done) => (file && !file.closed ? file.once('close', done) : done()))

const tooSlow = (stallMs: number) =>
  new Refusal('MALFORMED_REQUEST', `Nothing of the file arrived for ${stallMs / 1000} seconds.`)
