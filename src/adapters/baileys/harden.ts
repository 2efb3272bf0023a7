import { Curve } from '@whiskeysockets/baileys'
import { SessionCipher } from 'libsignal'
import { isSigned } from './signature.ts'

const FROM_LIBSIGNAL = /[\\/]node_modules[\\/]libsignal[\\/]/
const FRAME_OF_CALLER = 2
const writers = ['log', 'debug', 'info', 'warn', 'error', 'trace'] as const

let isHardened = false

/** libsignal prints whole sessions, private keys included: what it says is dropped. */
const muteLibsignal = () => {
  for (const name of writers) {
    const write: (...said: unknown[]) => void = console[name].bind(console)
    console[name] = (...said: unknown[]) => {
      const caller = new Error().stack?.split('\n')[FRAME_OF_CALLER] ?? ''
      if (!FROM_LIBSIGNAL.test(caller)) write(...said)
    }
  }
}

/** The state of one session, as libsignal has it. */
type Session = {
  readonly constructor: { deserialize(serialized: unknown): object }
  serialize(): unknown
}
declare module 'libsignal' {
  interface SessionCipher {
    doDecryptWhisperMessage(message: Uint8Array, session: Session): Promise<Buffer>
  }
}

/**
 * Where there are several sessions with somebody, libsignal tries a message on each, and moves on the ratchet of those
 * that it does not fit: what comes over them later cannot be read, and what goes out neither. Here they go back.
 */
const undoFailedDecryptions = () => {
  const decrypt = SessionCipher.prototype.doDecryptWhisperMessage
  SessionCipher.prototype.doDecryptWhisperMessage = async function (message, session) {
    const before = session.serialize()
    try {
      return await decrypt.call(this, message, session)
    } catch (error) {
      Object.assign(session, session.constructor.deserialize(before))
      throw error
    }
  }
}

/**
 * Has to be called before the library is used. Makes it look at what a check of a signature answers, which it does not by
 * itself: the certificate of the server, and the signature of an account over its device, would count whatever they are.
 */
export const harden = (): void => {
  if (isHardened) return
  isHardened = true
  muteLibsignal()
  undoFailedDecryptions()
  Curve.verify = isSigned
}
