import { randomUUID } from 'node:crypto'
import { initAuthCreds, proto, type AuthenticationCreds, type SignalKeyStore } from '@whiskeysockets/baileys'
import type { Pool, PoolClient } from 'pg'
import { coalesce, fulfilled } from '../postgres/coalesce.ts'
import { placeOf, type Cipher, type SessionCipher } from './cipher.ts'
import { harden } from './harden.ts'
import { createJournal, type Journal } from './journal.ts'
import { createKeyStore, decode, encode } from './key-store.ts'
import { createMessageMemory, type MessageMemory } from './message-memory.ts'
import { newOpening, Overtaken } from './opening.ts'

export { Overtaken } from './opening.ts'

export type SessionStore = {
  /** For makeWASocket. Fresh creds if the session is not paired, also where a pairing was left half-way. */
  readonly auth: { readonly creds: AuthenticationCreds; readonly keys: SignalKeyStore }
  /** Aborts, with the error as its reason, once the keys or creds failed: end the socket and open the session anew. */
  readonly broken: AbortSignal
  /** Keeps the creds whole, as they are at this moment. Writes come in the order of the calls. */
  saveCreds(): Promise<void>
  /** WhatsApp unlinked the session: creds and keys go, at once. What was not told yet stays in the journal. */
  wipe(): Promise<void>
  readonly journal: Journal
  readonly messages: MessageMemory
}

export type SessionStoreOptions = {
  /** Of the kind that waits for the disk: what is written here has to survive a crash of the database. */
  readonly pool: Pool
  readonly cipher: Cipher
  /** Hears of what could be lost. */
  readonly onError: (error: unknown) => void
}

const OPEN = `
insert into whatsapp_session as present (instance_id, term, opening) values ($1, $2, $3)
on conflict (instance_id) do update set term = excluded.term, opening = excluded.opening
where present.term <= excluded.term
returning creds`

/** Under an opening that nobody has, so that what is still on its way comes too late. */
const CLOSE = `
update whatsapp_session set creds = null, opening = $3 where instance_id = $1 and opening in ($2, $3)`

/** What is under way when the row of the session is waited for is seen by the next statement only. */
const inTransaction = async (pool: Pool, work: (client: PoolClient) => Promise<void>): Promise<void> => {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await work(client)
    await client.query('commit')
    client.release()
  } catch (error) {
    // Whatever it was in, the connection is not used again.
    client.release(true)
    throw error
  }
}

/**
 * Opens the state of one WhatsApp session. Overtakes every store that was opened for it before, with this or a lower
 * term: one store for each socket. Throws Overtaken if a higher term has the session.
 */
export const openSessionStore = async (
  { pool, cipher: cipherOf, onError }: SessionStoreOptions,
  { instanceId, term }: { readonly instanceId: string; readonly term: number },
): Promise<SessionStore> => {
  harden()
  const cipher = cipherOf(instanceId)
  const opening = newOpening({ instanceId, pool, cipher })
  const overtaken = () => new Overtaken(`The session of instance ${instanceId} was opened elsewhere`)

  const { rows } = await opening.attempt(() =>
    pool.query<{ creds: Buffer | null }>(OPEN, [instanceId, term, opening.id]),
  )
  if (!rows[0]) throw overtaken()
  const creds = credsOf(cipher, rows[0].creds)

  const save = coalesce<Buffer, void>({
    max: Infinity,
    run: (saved) =>
      opening.attempt(async () => {
        const { rowCount } = await pool.query({
          name: 'whatsapp-save-creds',
          text: 'update whatsapp_session set creds = $3 where instance_id = $1 and opening = $2',
          values: [instanceId, opening.id, saved.at(-1)],
        })
        if (rowCount === 0) throw overtaken()
        return saved.map(() => fulfilled(undefined))
      }),
  })

  const closed = randomUUID()
  const wipe = () =>
    opening.end(() =>
      inTransaction(pool, async (client) => {
        const { rowCount } = await client.query(CLOSE, [instanceId, opening.id, closed])
        if (rowCount === 0) throw overtaken()
        await client.query('delete from whatsapp_key where instance_id = $1', [instanceId])
      }),
    )

  return {
    auth: { creds, keys: createKeyStore(opening) },
    broken: opening.broken,
    saveCreds: async () => save(cipher.seal(CREDS, encode(creds))),
    wipe,
    journal: createJournal(opening, () => ({ id: creds.me?.id ?? '', lid: creds.me?.lid }), onError),
    messages: createMessageMemory(opening),
  }
}

const CREDS = placeOf('whatsapp_session')

const credsOf = (cipher: SessionCipher, sealed: Buffer | null): AuthenticationCreds => {
  if (!sealed) return initAuthCreds()
  const creds = decode(cipher.open(CREDS, sealed)) as AuthenticationCreds
  // A pairing code names its account before the pairing; with that, WhatsApp takes the next login for a broken one.
  if (!creds.account) return initAuthCreds()
  return { ...creds, account: proto.ADVSignedDeviceIdentity.fromObject(creds.account) }
}

/** The instance is deleted: everything goes, and a store that is still open is overtaken. */
export const forgetSession = (pool: Pool, instanceId: string): Promise<void> =>
  inTransaction(pool, async (client) => {
    for (const table of ['whatsapp_session', 'whatsapp_key', 'whatsapp_inbound', 'whatsapp_message'])
      await client.query(`delete from ${table} where instance_id = $1`, [instanceId])
  })
