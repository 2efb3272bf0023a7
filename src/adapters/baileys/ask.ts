import type { WASocket } from '@whiskeysockets/baileys'

/**
 * WhatsApp answered a call with a no, and nothing was done. `code` is its own, such as 403: in what the library throws,
 * it stands in `data`.
 */
export class CallRefused extends Error {
  readonly code: number | undefined
  constructor(code: number | undefined, message: string) {
    super(message)
    this.name = 'CallRefused'
    this.code = code
  }
}

/**
 * Makes one call over a socket, and answers what it answers, within a bounded time. Rejects with CallRefused if WhatsApp
 * says no; INSTANCE_NOT_CONNECTED if the socket was closed before; UNAVAILABLE if there was no answer, or the connection
 * was lost meanwhile, so that it may or may not be done. The link is then dead, and the socket is ended. `name` is for
 * logs.
 */
export type Ask = <T>(name: string, call: () => Promise<T>) => Promise<T>

/** A connection that is open: everything but what it sends goes through `ask`. */
export type OpenSocket = { readonly sock: WASocket; readonly ask: Ask }

/** The open connection of an instance. INSTANCE_NOT_CONNECTED if there is none. */
export type SocketOf = (instanceId: string) => OpenSocket
