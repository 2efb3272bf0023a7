import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { putBack, type Emptied } from './domain/personal.ts'
import { isObject } from './domain/values.ts'
import { Unopened, type NewEvent, type Recorded } from './ports/event-store.ts'
import type { SealingKey } from './ports/sealing-keys.ts'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** What stands in the data of a stored event beside what everybody may read. */
export type Seal = {
  /** Id of the key. */
  readonly key: string
  /** Nonce, tag and the sealed leaves, in base64. It opens in its event only. */
  readonly box: string
  /** Nulls of the data that are not the places of leaves. */
  readonly nulls?: readonly number[]
}

/** The seal of a stored event; undefined if nothing in it is sealed. */
export const sealOf = ({ data }: { readonly data: object }): Seal | undefined =>
  'sealed' in data && isSeal(data.sealed) ? data.sealed : undefined

const isSeal = (value: unknown): value is Seal =>
  isObject(value) && typeof value['key'] === 'string' && typeof value['box'] === 'string'

/** The data of a stored event without its seal: with `null` in the place of each leaf. */
export const unsealed = ({ data }: { readonly data: object }): object => {
  const { sealed: _seal, ...rest }: { sealed?: unknown } = { ...data }
  return rest
}

const close = ({ secret }: SealingKey, eventId: string, leaves: readonly unknown[]): string => {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, secret, nonce)
  cipher.setAAD(Buffer.from(eventId))
  const sealed = [cipher.update(JSON.stringify(leaves), 'utf8'), cipher.final()]
  return Buffer.concat([nonce, cipher.getAuthTag(), ...sealed]).toString('base64')
}

const open = ({ secret }: SealingKey, eventId: string, box: string): unknown => {
  const bytes = Buffer.from(box, 'base64')
  const decipher = createDecipheriv(CIPHER, secret, bytes.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(Buffer.from(eventId))
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  const sealed = bytes.subarray(NONCE_BYTES + TAG_BYTES)
  return JSON.parse(decipher.update(sealed, undefined, 'utf8') + decipher.final('utf8'))
}

/** An event as it is stored, from what was taken out of it. */
export const sealEvent = (event: NewEvent, { data, leaves, nulls }: Emptied, key: SealingKey): NewEvent => {
  const box = close(key, event.id, leaves)
  const sealed: Seal = { key: key.id, box, ...(nulls.length > 0 && { nulls }) }
  return { ...event, data: { ...data, sealed } }
}

/** An event as it was before it was stored. Throws Unopened. */
export const openEvent = (stored: Recorded, { box, nulls }: Seal, key: SealingKey): Recorded => {
  try {
    const leaves = open(key, stored.id, box)
    if (!Array.isArray(leaves)) throw new TypeError('Something else than a list was sealed')
    return { ...stored, data: putBack(unsealed(stored), leaves, nulls) }
  } catch (error) {
    throw unopened(stored, 'it is damaged, or belongs to another event or to another key', error)
  }
}

export const unopened = ({ type, stream, revision }: Recorded, why: string, cause?: unknown) =>
  new Unopened(`What is sealed in ${type} (${stream} revision ${revision}) cannot be opened: ${why}`, {
    cause,
  })
