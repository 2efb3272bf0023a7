import type { AuthenticationCreds, SignalKeyStore } from '@whiskeysockets/baileys'
import type { Pool } from 'pg'
import type { Cipher } from './cipher.ts'
import type { Journal } from './journal.ts'
import type { MessageMemory } from './message-memory.ts'

/** Another owner, or a later opening here, has the session: nothing was written. End the socket. */
export class Overtaken extends Error {
  override name = 'Overtaken'
}

export type SessionStore = {
  /** For makeWASocket. Fresh creds if the session is not paired, also where a pairing was left half-way. */
  readonly auth: { readonly creds: AuthenticationCreds; readonly keys: SignalKeyStore }
  /** Aborts, with the error as its reason, once a write has failed: end the socket and open the session anew. */
  readonly broken: AbortSignal
  /** Keeps the creds whole, as they are at this moment. Writes come in the order of the calls. */
  saveCreds(): Promise<void>
  /** WhatsApp unlinked the session: creds and keys go, at once. What was not told yet stays in the journal. */
  wipe(): Promise<void>
  /** The instance is deleted: everything goes. */
  forget(): Promise<void>
  readonly journal: Journal
  readonly messages: MessageMemory
}

export type SessionStoreOptions = {
  /** Of the kind that waits for the disk: what it says is written has to survive a crash of the database. */
  readonly pool: Pool
  readonly cipher: Cipher
  /** Hears of what is given up, and of failures that nobody waits for. */
  readonly onError: (error: unknown) => void
}

/**
 * Opens the state of one WhatsApp session. Overtakes every store that was opened for it before, with this or a lower
 * term: one store for each socket. Throws Overtaken if a higher term has the session.
 */
export declare const openSessionStore: (
  options: SessionStoreOptions,
  session: { readonly instanceId: string; readonly term: number },
) => Promise<SessionStore>

/** Deletes what was remembered longer than 30 days ago, in batches; to be called now and then, by any node. */
export declare const purgeSessionStores: (pool: Pool) => Promise<void>
