import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSpool } from '../../src/write/spool.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zapini-spool-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const exceeded = () => new Error('too large')
const spool = (body: Readable) => createSpool(folder)(body, 1000, exceeded)

test('what came is there, and gone once it is discarded', async () => {
  const spooled = await spool(Readable.from([Buffer.from('hello')]))
  expect(spooled.size).toBe(5)
  expect(await readdir(folder)).toHaveLength(1)
  await spooled.discard()
  expect(await readdir(folder)).toEqual([])
})

test('bodies that fail while their files are being made leave no files', async () => {
  for (let round = 0; round < 10; round++) {
    const bodies = Array.from({ length: 200 }, () => new Readable({ read() {} }))
    const spooling = bodies.map((body) => expect(spool(body)).rejects.toThrow())
    bodies.forEach((body, n) => setTimeout(() => body.destroy(new Error('broken off')), n % 5))
    await Promise.all(spooling)
  }
  expect(await readdir(folder)).toEqual([])
})

test('a body that is too large leaves no file', async () => {
  const body = Readable.from(Array.from({ length: 20 }, () => Buffer.alloc(100)))
  await expect(spool(body)).rejects.toThrow('too large')
  expect(await readdir(folder)).toEqual([])
})
