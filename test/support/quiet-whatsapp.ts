import { createRequire } from 'node:module'
import { Curve, generateSignalPubKey } from '@whiskeysockets/baileys'

type Signal = {
  curve: { verifySignature: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean }
}

const { curve } = createRequire(import.meta.url)('libsignal') as Signal

/** The client accepts any signature of 64 bytes; the stand-in shall be right all the same. */
Curve.verify = (key, message, signature) => {
  try {
    return curve.verifySignature(generateSignalPubKey(key), message, signature)
  } catch {
    return false
  }
}

/** libsignal prints whole sessions, private keys and all. */
const SESSIONS = /session|prekey bundle|decrypt/i
for (const level of ['info', 'warn', 'error'] as const) {
  const print = console[level].bind(console)
  console[level] = (...parts: unknown[]) => {
    if (!SESSIONS.test(String(parts[0]))) print(...parts)
  }
}
