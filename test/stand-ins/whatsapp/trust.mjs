// For a program of its own: `node --import <this file> dist/main.js`. Its WhatsApp client then trusts the stand-in whose
// root key stands in WHATSAPP_ROOT_KEY, in hexadecimal, and nobody else. For tests and for `npm run phone` alone.
import { WA_CERT_DETAILS } from '@whiskeysockets/baileys'

const rootKey = process.env['WHATSAPP_ROOT_KEY']
if (rootKey) WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(rootKey, 'hex')
