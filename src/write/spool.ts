import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
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
    const stalled = setTimeout(() => body.destroy(tooSlow(stallMs)), stallMs)
    try {
      await mkdir(folder, { recursive: true })
      await pipeline(body, measured, createWriteStream(path, { flags: 'wx' }))
      return { path, size, sha256: hash.digest('hex'), discard }
    } catch (error) {
      await discard()
      throw error
    } finally {
      clearTimeout(stalled)
    }
  }

const tooSlow = (stallMs: number) =>
  new Refusal('MALFORMED_REQUEST', `Nothing of the file arrived for ${stallMs / 1000} seconds.`)
