import { createHmac, randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Pool } from 'pg'

const KEY_BYTES = 32

/** What the database keeps encrypted was encrypted with another key than the one at hand. Says what to do about it. */
export class WrongKey extends Error {
  override name = 'WrongKey'
}

const LOST = `If that key is lost, so are the WhatsApp sessions, and names, numbers and texts in the log: read models lose them \
when they are made anew. Make this database forget them with "delete from encryption_key; delete from whatsapp_session; \
delete from whatsapp_key; delete from whatsapp_inbound; delete from whatsapp_message; update sealing_key set state = \
'destroyed', seed = null, destroyed_at = now() where master", and pair the phones again.`
const missing = (where: string) =>
  `What this database keeps encrypted needs a key that is not there. ${where} ${LOST}`
const wrong = (where: string) =>
  `What this database keeps encrypted needs another key than the one it was given. ${where} ${LOST}`

const fileSays = (file: string) =>
  `Bring back ${file} from a backup, or set ENCRYPTION_KEY to what it contained.`
const SETTING_SAYS = `Set ENCRYPTION_KEY to the key that was used until now; one that came from a data folder is the text in \
its encryption.key.`

/** Tells one key from another, and nothing about either. */
const fingerprintOf = (key: Buffer) => createHmac('sha256', key).update('zapini fingerprint').digest()

const unless = (code: string) => (error: unknown) => {
  if (!(error instanceof Error && 'code' in error && error.code === code)) throw error
}

const readKey = async (file: string): Promise<Buffer | undefined> => {
  const text = await readFile(file, 'utf8').catch(unless('ENOENT'))
  if (text === undefined) return undefined
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length !== KEY_BYTES) throw new WrongKey(`${file} does not contain a key. ${fileSays(file)}`)
  return key
}

/** Puts a new key where none is, whole or not at all, for nobody but this user to read. */
const makeKey = async (file: string): Promise<void> => {
  const folder = dirname(file)
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  await mkdir(folder, { recursive: true })
  try {
    const handle = await open(draft, 'wx', 0o600)
    await handle.writeFile(`${randomBytes(KEY_BYTES).toString('base64')}\n`)
    await handle.sync()
    await handle.close()
    // Unlike a rename, this never takes the place of a key that somebody else made meanwhile.
    await link(draft, file).catch(unless('EEXIST'))
  } finally {
    await rm(draft, { force: true })
  }
  const entry = await open(folder)
  await entry.sync()
  await entry.close()
}

type Options = {
  readonly pool: Pool
  /** ENCRYPTION_KEY, in base64. */
  readonly given: string | undefined
  /** Where the key is kept, and made if there never was one, where none is given. */
  readonly file: string | undefined
}

const knownFingerprint = async (pool: Pool): Promise<Buffer | undefined> => {
  const { rows } = await pool.query<{ fingerprint: Buffer }>('select fingerprint from encryption_key')
  return rows[0]?.fingerprint
}

/** Whether anything is encrypted with the key on record: that of a data folder is there before it is needed. */
const isInUse = async (pool: Pool): Promise<boolean> => {
  const { rows } = await pool.query<{ used: boolean }>(
    `select exists (select from whatsapp_session) or exists (select from whatsapp_inbound)
       or exists (select from sealing_key where master and state <> 'destroyed') as used`,
  )
  return rows[0]?.used ?? false
}

/**
 * The key that WhatsApp sessions and the keys of the log are encrypted with; undefined if there is none. The first one is put on record in the
 * database, as a fingerprint. Throws WrongKey, having written nothing, if the one on record is another, or is in use and
 * not there.
 */
export const findEncryptionKey = async ({ pool, given, file }: Options): Promise<Buffer | undefined> => {
  const says = given === undefined && file !== undefined ? fileSays(file) : SETTING_SAYS
  const isKnown = (await knownFingerprint(pool)) !== undefined
  if (given === undefined && file !== undefined && !isKnown) await makeKey(file)
  const key = given === undefined ? file && (await readKey(file)) : Buffer.from(given, 'base64')
  if (!key) {
    if (isKnown && (file !== undefined || (await isInUse(pool)))) throw new WrongKey(missing(says))
    return undefined
  }
  const fingerprint = fingerprintOf(key)
  await pool.query('insert into encryption_key (fingerprint) values ($1) on conflict do nothing', [
    fingerprint,
  ])
  if (!(await knownFingerprint(pool))?.equals(fingerprint)) throw new WrongKey(wrong(says))
  return key
}
