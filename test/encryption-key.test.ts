import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { findEncryptionKey, WrongKey } from '../src/encryption-key.ts'
import { testPool } from './support/database.ts'

const newKey = () => randomBytes(32).toString('base64')

const dataFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'zapini-key-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return { folder, file: join(folder, 'data', 'encryption.key') }
}

test('a data folder gets one key, which nobody else on the machine can read', async () => {
  const [pool, { folder, file }] = [await testPool(), await dataFolder()]
  const keys = await Promise.all([1, 2, 3, 4].map(() => findEncryptionKey({ pool, given: undefined, file })))
  const again = await findEncryptionKey({ pool, given: undefined, file })
  expect(again).toHaveLength(32)
  expect(new Set(keys.map((key) => key?.toString('hex')))).toEqual(new Set([again?.toString('hex')]))
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(folder, 'data'))).toEqual(['encryption.key'])
})

test('the key of a data folder can be given as ENCRYPTION_KEY instead', async () => {
  const [pool, { file }] = [await testPool(), await dataFolder()]
  const made = await findEncryptionKey({ pool, given: undefined, file })
  const given = (await readFile(file, 'utf8')).trim()
  expect(await findEncryptionKey({ pool, given, file: undefined })).toEqual(made)
})

test('without a key, and nowhere to keep one, there is none', async () => {
  const pool = await testPool()
  expect(await findEncryptionKey({ pool, given: undefined, file: undefined })).toBeUndefined()
  expect((await pool.query('select from encryption_key')).rowCount).toBe(0)
})

test('another key than the one on record is refused with what to do, and is not recorded', async () => {
  const pool = await testPool()
  const given = newKey()
  await findEncryptionKey({ pool, given, file: undefined })
  const other = findEncryptionKey({ pool, given: newKey(), file: undefined })
  await expect(other).rejects.toThrow(WrongKey)
  await expect(other).rejects.toThrow('Set ENCRYPTION_KEY to the key that was used until now')
  expect((await findEncryptionKey({ pool, given, file: undefined }))?.toString('base64')).toBe(given)
})

test('a key that is missing is not made anew, and not passed over', async () => {
  const [pool, { file }] = [await testPool(), await dataFolder()]
  await findEncryptionKey({ pool, given: undefined, file })
  await rm(file)
  await expect(findEncryptionKey({ pool, given: undefined, file })).rejects.toThrow(`Bring back ${file}`)
  await expect(stat(file)).rejects.toThrow('ENOENT')
})

test('without the key on record there is no WhatsApp; with a session that it encrypts, the program does not start', async () => {
  const pool = await testPool()
  await findEncryptionKey({ pool, given: newKey(), file: undefined })
  const without = () => findEncryptionKey({ pool, given: undefined, file: undefined })
  expect(await without()).toBeUndefined()
  await pool.query('insert into whatsapp_session values ($1, 1, $1)', [randomUUID()])
  await expect(without()).rejects.toThrow(WrongKey)
})

test('a file that holds no key is refused', async () => {
  const [pool, { file }] = [await testPool(), await dataFolder()]
  await findEncryptionKey({ pool, given: undefined, file })
  await writeFile(file, 'something else')
  await expect(findEncryptionKey({ pool, given: undefined, file })).rejects.toThrow('does not contain a key')
})

test('what a refusal says to do when the key is lost works', async () => {
  const pool = await testPool()
  await findEncryptionKey({ pool, given: newKey(), file: undefined })
  const given = newKey()
  const refusal = await findEncryptionKey({ pool, given, file: undefined }).catch((error: unknown) =>
    String(error),
  )
  await pool.query(/"(delete[^"]+)"/.exec(String(refusal))?.[1] ?? '')
  expect((await findEncryptionKey({ pool, given, file: undefined }))?.toString('base64')).toBe(given)
})
