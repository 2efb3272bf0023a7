import type { Readable } from 'node:stream'

/** The first and the last byte, from 0, both included. */
export type ByteRange = { readonly start: number; readonly end: number }

/**
 * Where the bytes of files are. Ids are UUIDs that this program made; what is known about a file is in the log. A store
 * that cannot be reached throws StoreUnavailable. Every adapter passes `test/contracts/media-store.ts`.
 */
export interface MediaStore {
  /**
   * Keeps the bytes of a stream, durably, under an id, instead of those that were there. All or nothing: rejects if the
   * stream fails, or does not have exactly `size` bytes.
   */
  put(id: string, content: Readable, size: number): Promise<void>
  /** The bytes, or some of them, as they are read; undefined if there are none. Whoever opens it reads or destroys it. */
  open(id: string, range?: ByteRange): Promise<Readable | undefined>
  stat(id: string): Promise<{ readonly size: number } | undefined>
  /** What is not there is as good as deleted. */
  delete(id: string): Promise<void>
}
