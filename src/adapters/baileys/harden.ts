import { Curve } from '@whiskeysockets/baileys'
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

/**
 * Has to be called before the library is used. Makes it look at what a check of a signature answers, which it does not by
 * itself: the certificate of the server, and the signature of an account over its device, would count whatever they are.
 */
export const harden = (): void => {
  if (isHardened) return
  isHardened = true
  muteLibsignal()
  Curve.verify = isSigned
}
