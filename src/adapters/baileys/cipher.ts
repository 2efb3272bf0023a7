import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Enough to tell any two ids of a session apart; half of a hash keeps the indexes small. */
const LOOKUP_BYTES = 16
/** Says how what follows is sealed, so that another way, or another key, can come beside it. */
const VERSION = 1
const OVERHEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES

/** Encrypts what is kept of one session. */
export type SessionCipher = {
  /** Opens at the same place only. */
  seal(place: Buffer, plain: Uint8Array): Buffer
  open(place: Buffer, sealed: Buffer): Buffer
  /** What a row is looked up by instead of its id, which tells nobody without the key anything. */
  lookup(kind: string, id: string | Uint8Array): Buffer
}
/** Encrypts what is kept of sessions, each with keys of its own. */
export type Cipher = (sessionId: string) => SessionCipher

/** The table is part of the place, as its name. */
export const placeOf = (table: string, ...parts: readonly (string | Uint8Array)[]): Buffer =>
  Buffer.concat(
    [table, ...parts].flatMap((part) => {
      const bytes = Buffer.from(part)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return [length, bytes]
    }),
  )

/**
 * AES-256-GCM with random nonces, under keys derived for each session, so that the nonces of one key stay far from where they
 * could repeat. What is sealed names its version in the first byte.
 */
export const createCipher = (key: Uint8Array): Cipher => {
  if (key.length !== KEY_BYTES) throw new Error(`An encryption key has ${KEY_BYTES} bytes, not ${key.length}`)
  const derive = (purpose: string, sessionId: string) =>
    Buffer.from(hkdfSync('sha256', key, '', `zapini ${purpose} ${sessionId}`, KEY_BYTES))

  return (sessionId) => {
    const sealingKey = derive('seal', sessionId)
    const lookupKey = derive('lookup', sessionId)
    return {
      seal: (place, plain) => {
        const nonce = randomBytes(NONCE_BYTES)
        const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce)
        cipher.setAAD(place)
        const sealed = [cipher.update(plain), cipher.final()]
        return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), ...sealed])
      },
      open: (place, sealed) => {
        if (sealed[0] !== VERSION || sealed.length < OVERHEAD_BYTES)
          throw new Error('A row is encrypted in a way that this program does not know')
        const nonce = sealed.subarray(1, 1 + NONCE_BYTES)
        const decipher = createDecipheriv('aes-256-gcm', sealingKey, nonce, { authTagLength: TAG_BYTES })
        decipher.setAAD(place)
        decipher.setAuthTag(sealed.subarray(1 + NONCE_BYTES, OVERHEAD_BYTES))
        try {
          return Buffer.concat([decipher.update(sealed.subarray(OVERHEAD_BYTES)), decipher.final()])
        } catch {
          throw new Error('A row cannot be decrypted: it was damaged, or is of another key or another place')
        }
      },
      lookup: (kind, id) =>
        createHmac('sha256', lookupKey).update(placeOf(kind, id)).digest().subarray(0, LOOKUP_BYTES),
    }
  }
}
