import { randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ByteRange, MediaStore } from '../../src/ports/media-store.ts'

export type MediaStoreUnderTest = { readonly store: MediaStore; stop(): Promise<unknown> }

/** What every media store does, whatever it is made of. */
export const mediaStoreContract = (name: string, start: () => Promise<MediaStoreUnderTest>) =>
  describe(`the media store ${name}`, () => {
    let under: MediaStoreUnderTest
    beforeAll(async () => {
      under = await start()
    })
    afterAll(() => under.stop())

    const put = (id: string, content: Buffer, size = content.length) =>
      under.store.put(id, Readable.from([content.subarray(0, 3), content.subarray(3)]), size)
    const read = async (id: string, range?: ByteRange) => {
      const content = await under.store.open(id, range)
      return content && buffer(content)
    }

    it('gives back the bytes that were put, and how many they are', async () => {
      const [id, content] = [randomUUID(), randomBytes(300_000)]
      await put(id, content)
      expect(await under.store.stat(id)).toEqual({ size: 300_000 })
      expect((await read(id))?.equals(content)).toBe(true)
    })
    it.each([
      [{ start: 0, end: 0 }, 'a'],
      [{ start: 2, end: 5 }, 'cdef'],
      [{ start: 9, end: 9 }, 'j'],
      [{ start: 0, end: 9 }, 'abcdefghij'],
    ])('gives back the range %j, both ends included', async (range, expected) => {
      const id = randomUUID()
      await put(id, Buffer.from('abcdefghij'))
      expect((await read(id, range))?.toString()).toBe(expected)
    })
    it('keeps the last of what was put under one id', async () => {
      const id = randomUUID()
      await put(id, Buffer.from('the first'))
      await put(id, Buffer.from('the second'))
      expect((await read(id))?.toString()).toBe('the second')
    })
    it('has nothing under an id that was never put', async () => {
      expect(await under.store.stat(randomUUID())).toBeUndefined()
      expect(await under.store.open(randomUUID())).toBeUndefined()
      expect(await under.store.open(randomUUID(), { start: 0, end: 3 })).toBeUndefined()
    })
    it('deletes one, as often as it is told to, and no other', async () => {
      const [id, other] = [randomUUID(), randomUUID()]
      await put(id, Buffer.from('gone'))
      await put(other, Buffer.from('stays'))
      await under.store.delete(id)
      await under.store.delete(id)
      expect(await under.store.stat(id)).toBeUndefined()
      expect(await under.store.open(id)).toBeUndefined()
      expect((await read(other))?.toString()).toBe('stays')
    })
    it.each([5, 50])(
      'takes nothing of 10 bytes that were to be %i, and keeps what was there',
      async (size) => {
        const [fresh, known] = [randomUUID(), randomUUID()]
        await put(known, Buffer.from('before'))
        for (const id of [fresh, known])
          await expect(put(id, Buffer.from('abcdefghij'), size)).rejects.toThrow()
        expect(await under.store.stat(fresh)).toBeUndefined()
        expect((await read(known))?.toString()).toBe('before')
      },
    )
    it('takes nothing of a stream that fails on the way', async () => {
      const id = randomUUID()
      const failing = Readable.from(
        (async function* () {
          yield Buffer.from('abc')
          throw new Error('the source failed')
        })(),
      )
      await expect(under.store.put(id, failing, 10)).rejects.toThrow()
      expect(await under.store.stat(id)).toBeUndefined()
    })
    it('lets go of a file that is not read to its end', async () => {
      const id = randomUUID()
      await put(id, randomBytes(1_000_000))
      const content = await under.store.open(id)
      content?.on('error', () => undefined).destroy()
      expect((await read(id))?.length).toBe(1_000_000)
    })
    it.each(['../../etc/passwd', '', 'a/b', '%2e%2e', `${randomUUID()}/x`, randomUUID().toUpperCase()])(
      'refuses the id "%s", which is not one of ours',
      async (id) => {
        await expect(put(id, Buffer.from('x'))).rejects.toThrow('must be a UUID')
        await expect(under.store.open(id)).rejects.toThrow('must be a UUID')
        await expect(under.store.stat(id)).rejects.toThrow('must be a UUID')
        await expect(async () => under.store.delete(id)).rejects.toThrow('must be a UUID')
      },
    )
  })
