import type { BaileysEventMap } from '@whiskeysockets/baileys'
import type { Account, Told } from './told.ts'

/** What has to be known to understand a batch. */
export type Known = {
  readonly account: Account
  /** JID with the phone number of a hidden id, such as `123456789@lid`. */
  readonly pnOf: (lid: string) => string | undefined
  /** Whether what was said before the pairing is wanted. */
  readonly past: boolean
  readonly isAdmin?: (group: string, jid: string) => boolean
  /** Whether this gateway sent the message with that id: then its echo is no news. */
  readonly isOurs?: (whatsappId: string) => boolean
  readonly subjectOf?: (group: string) => string | undefined
}

/** The hidden ids whose phone numbers `translate` will ask for. */
export const lidsIn = (_batch: Partial<BaileysEventMap>): readonly string[] => []

/** What a batch of Baileys' events says, in our own words and in order. Pure; never throws. */
export const translate = (_batch: Partial<BaileysEventMap>, _known: Known): readonly Told[] => []
