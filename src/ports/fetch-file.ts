import type { Readable } from 'node:stream'

export type FetchedFile = {
  /** Fails with FileUnavailable when the other side stalls or breaks off. Whoever gets it reads or destroys it. */
  readonly body: Readable
  /** Bytes, as far as the other side tells. */
  readonly size?: number
  readonly mimeType?: string
  readonly filename?: string
}

/** The file could not be had. `message` is short and fit for users. */
export class FileUnavailable extends Error {
  override name = 'FileUnavailable'
}

/**
 * Gets the file at a URL that a user gave, following a few redirects, each only to where a user may send us. Throws
 * FileUnavailable. The whole, body included, ends in bounded time; how much to read is for the reader to say.
 */
export type FetchFile = (url: string) => Promise<FetchedFile>
