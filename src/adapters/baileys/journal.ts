import type { SocketConfig, WAMessage, WAMessageKey } from '@whiskeysockets/baileys'
import type { BinaryNode } from '@whiskeysockets/baileys'

/** The part of a socket's WebSocket client that the journal listens to. */
export type StanzaSource = {
  prependListener(event: string, listener: (node: BinaryNode) => void): unknown
}

/** What WhatsApp sent and was decrypted, until it has been told. */
export type Journal = {
  /** For makeWASocket: guarded, and writes what it decrypts into the journal. */
  readonly makeSignalRepository: SocketConfig['makeSignalRepository']
  /** Listens to the stanzas of a socket, before the library does: call it right after makeWASocket. */
  attach(ws: StanzaSource): void
  /** Messages that were not settled, oldest first, at most a thousand: settle them, then ask again. */
  pending(): Promise<readonly WAMessage[]>
  /** These have been told; keys as they came with the message. Not fenced: what is stored is stored. */
  settle(keys: readonly WAMessageKey[]): Promise<void>
}
