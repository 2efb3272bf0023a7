import { randomBytes, randomUUID } from 'node:crypto'
import {
  addTransactionCapability,
  DEFAULT_CONNECTION_CONFIG,
  initAuthCreds,
  proto,
  type AuthenticationCreds,
  type SignalDataSet,
  type SignalKeyStore,
  type SocketConfig,
} from '@whiskeysockets/baileys'
import pino from 'pino'

const silent = pino({ level: 'silent' })

/** Keys in the memory of a phone. */
const memoryKeys = (): SignalKeyStore => {
  const rows = new Map<string, unknown>()
  return {
    get: async (kind: string, ids: string[]) => {
      const found: Record<string, never> = {}
      for (const id of ids) {
        const value = rows.get(`${kind} ${id}`)
        if (value !== undefined) found[id] = structuredClone(value) as never
      }
      return found
    },
    set: async (data: SignalDataSet) => {
      for (const [kind, values] of Object.entries(data))
        for (const [id, value] of Object.entries(values))
          rows.set(`${kind} ${id}`, structuredClone(value) ?? undefined)
    },
  }
}

type MakeSignalRepository = SocketConfig['makeSignalRepository']

/** One end of a conversation, without a socket: what the library does with keys when it sends and receives. */
export const signalDevice = (
  jid: string,
  auth: { readonly creds: AuthenticationCreds; readonly keys: SignalKeyStore } = {
    creds: initAuthCreds(),
    keys: memoryKeys(),
  },
  make: MakeSignalRepository = DEFAULT_CONNECTION_CONFIG.makeSignalRepository,
) => {
  const keys = addTransactionCapability(auth.keys, silent, { maxCommitRetries: 1, delayBetweenTriesMs: 1 })
  const repository = make({ creds: auth.creds, keys }, silent, async () => undefined)
  return {
    jid,
    keys,
    repository,
    creds: auth.creds,
    /** What others begin a session with. */
    bundle: () => ({
      registrationId: auth.creds.registrationId,
      identityKey: withType(auth.creds.signedIdentityKey.public),
      signedPreKey: {
        keyId: auth.creds.signedPreKey.keyId,
        publicKey: withType(auth.creds.signedPreKey.keyPair.public),
        signature: auth.creds.signedPreKey.signature,
      },
    }),
    /** As the library sends: all of it in one transaction, under a lock in the name of the account. */
    send: (to: string, text: string, write: (stanza: Payload) => unknown) =>
      keys.transaction(async () => {
        const { type, ciphertext } = await repository.encryptMessage({ jid: to, data: padded(text) })
        // Other devices are encrypted for, privacy tokens read: it takes a moment until the stanza leaves.
        await keys.get('tctoken', [to])
        write({ type, ciphertext })
        await keys.set({ 'sender-key-memory': { [to]: {} } })
      }, jid),
    /** What another one wrote to this one alone. */
    read: async (from: string, { type, ciphertext }: Payload): Promise<string> => {
      if (type === 'skmsg') throw new Error('This is for a group')
      return textOf(await repository.decryptMessage({ jid: from, type, ciphertext }))
    },
  }
}
export type SignalDevice = ReturnType<typeof signalDevice>

export type Payload = { readonly type: 'pkmsg' | 'msg' | 'skmsg'; readonly ciphertext: Uint8Array }

const withType = (key: Uint8Array) => Buffer.concat([Buffer.of(5), key])

/** A message as it is before encryption. */
export const padded = (content: string | proto.IMessage): Buffer => {
  const message = typeof content === 'string' ? { conversation: content } : content
  const bytes = proto.Message.encode(message).finish()
  const length = 1 + (randomBytes(1).readUInt8() & 0x0f)
  return Buffer.concat([bytes, Buffer.alloc(length, length)])
}

export const textOf = (plain: Uint8Array): string =>
  proto.Message.decode(plain.subarray(0, plain.length - (plain.at(-1) ?? 0))).conversation ?? ''

/** Attributes of a message as WhatsApp puts them around it. */
export const stanzaOf = (from: string, id: string = randomUUID()) => ({
  id,
  from,
  t: '1700000000',
  type: 'text',
  notify: 'Alice',
})
