import { createPublicKey, verify } from 'node:crypto'

/** The field of Curve25519. */
const P = 2n ** 255n - 19n
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
/** `SubjectPublicKeyInfo` of an Ed25519 key, up to the key. */
const DER_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const SIGN_BIT = 0x80

const remainder = (n: bigint) => ((n % P) + P) % P

/** 0 of 0. */
const inverse = (n: bigint): bigint => {
  let [power, base] = [1n, remainder(n)]
  for (let exponent = P - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) power = (power * base) % P
    base = (base * base) % P
  }
  return power
}

const numberOf = (littleEndian: Uint8Array) =>
  BigInt(`0x${Buffer.from(littleEndian).reverse().toString('hex')}`)
const bytesOf = (n: bigint) => Buffer.from(n.toString(16).padStart(2 * KEY_BYTES, '0'), 'hex').reverse()

/**
 * Whether a key of Signal, with its type in front or without, signed a message: XEdDSA, which is Ed25519 by the same point
 * of the curve, whose sign is in the signature. The library's own check takes ten times as long, and a group has a
 * thousand members.
 */
export const isSigned = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  // What is to be checked comes from others, and may be of any length, or missing.
  try {
    if (signature.length !== SIGNATURE_BYTES) return false
    const u = numberOf(publicKey.subarray(-KEY_BYTES)) & (2n ** 255n - 1n)
    const key = bytesOf(remainder((u - 1n) * inverse(u + 1n)))
    const signed = Buffer.from(signature)
    const last = signed[SIGNATURE_BYTES - 1] ?? 0
    signed[SIGNATURE_BYTES - 1] = last & ~SIGN_BIT
    key[KEY_BYTES - 1] = (key[KEY_BYTES - 1] ?? 0) | (last & SIGN_BIT)
    const spki = createPublicKey({ key: Buffer.concat([DER_PREFIX, key]), format: 'der', type: 'spki' })
    return verify(null, message, spki, signed)
  } catch {
    return false
  }
}
