import { once } from 'node:events'
import { Writable } from 'node:stream'
import type { Output } from './progress.ts'

/** Nobody reads on: `zapini … | head` has seen enough. */
export class NobodyReads extends Error {
  override name = 'NobodyReads'
}

/**
 * Writes as fast as it is read, so that what is not read yet does not pile up in memory. Throws NobodyReads once the
 * other end has gone.
 */
export const createWriter = (out: Output) => {
  let fault: Error | undefined
  if (out instanceof Writable) out.on('error', (error) => (fault ??= error))
  const check = () => {
    if (fault) throw 'code' in fault && fault.code === 'EPIPE' ? new NobodyReads() : fault
  }
  return async (text: string): Promise<void> => {
    check()
    const hasRoom = out.write(text)
    if (hasRoom === false && out instanceof Writable) await once(out, 'drain').catch(() => {})
    check()
  }
}
