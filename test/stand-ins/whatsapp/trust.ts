import { WA_CERT_DETAILS } from '@whiskeysockets/baileys'

/**
 * Makes the WhatsApp client of this process trust a server whose certificate this key signed, instead of the real one.
 * Gives back what undoes it.
 */
export const trustWhatsApp = (rootKey: Uint8Array): (() => void) => {
  const before = WA_CERT_DETAILS.PUBLIC_KEY
  WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(rootKey)
  return () => {
    WA_CERT_DETAILS.PUBLIC_KEY = before
  }
}
