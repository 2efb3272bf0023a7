import { randomBytes } from 'node:crypto'
import { Curve, generateSignalPubKey } from '@whiskeysockets/baileys'
import { expect, test } from 'vitest'
import { isSigned } from '../../../src/adapters/baileys/signature.ts'

test('every signature of the library counts, and none that was changed by a bit or is of another key', () => {
  for (let bit = 0; bit < 512; bit += 16) {
    const [signer, other] = [Curve.generateKeyPair(), Curve.generateKeyPair()]
    const message = randomBytes(33)
    const signature = Curve.sign(signer.private, message)
    const changed = Buffer.from(signature)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(isSigned(signer.public, message, signature)).toBe(true)
    expect(isSigned(generateSignalPubKey(signer.public), message, signature)).toBe(true)
    expect(isSigned(signer.public, message, changed)).toBe(false)
    expect(isSigned(other.public, message, signature)).toBe(false)
    expect(isSigned(signer.public, randomBytes(33), signature)).toBe(false)
  }
})

test('what is no key or no signature counts as a wrong one', () => {
  for (const length of [0, 1, 31, 32, 33, 63, 64, 65])
    expect(isSigned(Buffer.alloc(length), Buffer.from('message'), Buffer.alloc(length))).toBe(false)
})
