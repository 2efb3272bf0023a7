import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { folderMediaStore } from '../../src/adapters/media/folder.ts'
import { removeLeftovers } from '../../src/adapters/media/leftovers.ts'
import { s3MediaStore } from '../../src/adapters/media/s3.ts'
import { mediaStoreContract } from '../contracts/media-store.ts'
import { startS3StandIn } from '../support/s3.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp()
})

const newFolder = () => mkdtemp(join(tmpdir(), 'zapini-store-'))
const filesIn = async (folder: string) =>
  (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())

mediaStoreContract('in a folder', async () => {
  const folder = await newFolder()
  return { store: folderMediaStore(folder), stop: () => rm(folder, { recursive: true }) }
})

mediaStoreContract('in a bucket', async () => {
  const s3 = await startS3StandIn()
  const store = s3MediaStore(s3.settings)
  return {
    store,
    stop: async () => {
      await store.close()
      await s3.close()
    },
  }
})

describe('a folder', () => {
  it('spreads files over folders, and holds nothing else: no rest of what failed', async () => {
    const folder = await newFolder()
    cleanups.push(() => rm(folder, { recursive: true }))
    const store = folderMediaStore(folder)
    const id = 'abcdef01-2345-4678-89ab-cdef01234567'
    await store.put(id, Readable.from([Buffer.from('x')]), 1)
    await expect(store.put(randomUUID(), Readable.from([Buffer.from('x')]), 2)).rejects.toThrow(
      '1 bytes, not 2',
    )
    const files = await filesIn(folder)
    expect(files.map(({ parentPath, name }) => join(parentPath, name))).toEqual([
      join(folder, 'ab', 'cd', id),
    ])
  })
  it('is rid of temporary files that a crash left a day ago, but not of those in use', async () => {
    const folder = await newFolder()
    cleanups.push(() => rm(folder, { recursive: true }))
    const longAgo = new Date(Date.now() - 25 * 3600_000)
    for (const name of ['old', 'new']) await writeFile(join(folder, name), 'x')
    await utimes(join(folder, 'old'), longAgo, longAgo)
    await removeLeftovers(folder)
    await removeLeftovers(join(folder, 'not there'))
    expect(await readdir(folder)).toEqual(['new'])
  })
})

describe('a bucket', () => {
  const started = async (change: object = {}) => {
    const s3 = await startS3StandIn()
    const store = s3MediaStore({ ...s3.settings, ...change })
    cleanups.push(s3.close, store.close)
    return { s3, store }
  }
  it('holds each file under its id', async () => {
    const { s3, store } = await started()
    const id = randomUUID()
    await store.put(id, Readable.from([Buffer.from('x')]), 1)
    expect([...s3.objects.keys()]).toEqual([id])
    expect(s3.refused).toEqual([])
  })
  it('takes no request that is signed with another key, and says so', async () => {
    const { s3, store } = await started({ secretAccessKey: 'another one' })
    const fault = { name: 'StoreUnavailable', message: expect.stringContaining('403') }
    await expect(store.put(randomUUID(), Readable.from([Buffer.from('x')]), 1)).rejects.toMatchObject(fault)
    await expect(store.open(randomUUID())).rejects.toMatchObject(fault)
    await expect(store.stat(randomUUID())).rejects.toMatchObject(fault)
    await expect(store.delete(randomUUID())).rejects.toMatchObject(fault)
    expect(s3.refused).toHaveLength(4)
  })
  it('that cannot be reached is unavailable, not empty', async () => {
    const { s3, store } = await started()
    await s3.close()
    await expect(store.open(randomUUID())).rejects.toMatchObject({ name: 'StoreUnavailable' })
  })
})
