import type { WAMessage } from '@whiskeysockets/baileys'

/** Messages as WhatsApp has them, both ways, for 30 days: retries, replies and edits need them. */
export type MessageMemory = {
  remember(messages: readonly WAMessage[]): Promise<void>
  /** By the id that WhatsApp knows it by. */
  find(id: string): Promise<WAMessage | undefined>
  forget(ids: readonly string[]): Promise<void>
}
