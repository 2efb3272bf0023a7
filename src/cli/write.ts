import { Writable } from 'node:stream'
import type { Output } from './progress.ts'

/** Nobody reads on: `zapini … | head` has seen enough. */
export class NobodyReads extends Error {
  override name = 'NobodyReads'
  override message = 'Nobody reads on: what was written is not all.'
}

/** Resolves once it is written, and there is room for more. */
export type Write = (text: string) => Promise<void>

/**
 * Writes as fast as it is read, so that what is not read yet does not pile up in memory. Throws NobodyReads once the
 * other end has gone, and what the disk says if it is full.
 */
export const createWriter = (out: Output): Write => {
  if (!(out instanceof Writable)) return (text) => Promise.resolve(void out.write(text))
  // Told to whoever writes; without a listener it would end the process.
  out.on('error', () => {})
  return (text) =>
    new Promise((done, failed) =>
      out.write(text, (error) => {
        if (!error) done()
        else failed('code' in error && error.code === 'EPIPE' ? new NobodyReads() : error)
      }),
    )
}
