import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { MediaStore } from '../../ports/media-store.ts'
import { mustBeUuid } from './ids.ts'

/** Files under one folder: `ab/cd/abcd….` holds one, `tmp` what is being written. */
export const folderMediaStore = (folder: string): MediaStore => {
  const pathOf = (id: string) => {
    mustBeUuid(id)
    return join(folder, id.slice(0, 2), id.slice(2, 4), id)
  }

  const put: MediaStore['put'] = async (id, content, size) => {
    const path = pathOf(id)
    const temporary = join(folder, 'tmp', randomUUID())
    try {
      await Promise.all([temporary, path].map((file) => mkdir(dirname(file), { recursive: true })))
      // `flush` is an fsync before the file is closed.
      await pipeline(content, createWriteStream(temporary, { flags: 'wx', flush: true }))
      const written = (await stat(temporary)).size
      if (written !== size) throw new Error(`The content has ${written} bytes, not ${size}`)
      await rename(temporary, path)
      await sync(dirname(path))
    } catch (error) {
      content.destroy()
      await rm(temporary, { force: true })
      throw error
    }
  }

  return {
    put,
    open: async (id, range) => (await openIfThere(pathOf(id)))?.createReadStream(range),
    stat: async (id) => {
      const found = await ifThere(stat(pathOf(id)))
      return found && { size: found.size }
    },
    delete: (id) => rm(pathOf(id), { force: true }),
  }
}

const ifThere = <T>(promise: Promise<T>): Promise<T | undefined> =>
  promise.catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })

const openIfThere = (path: string): Promise<FileHandle | undefined> => ifThere(open(path))

/** Makes the names in a folder durable. */
const sync = async (folder: string) => {
  const handle = await open(folder)
  await handle.sync().finally(() => handle.close())
}
