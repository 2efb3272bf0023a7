import { trustWhatsApp } from './trust.ts'

// For another process: `node --import tsx --import <this file> app.js`, with the key in hexadecimal.
const rootKey = process.env.WHATSAPP_ROOT_KEY
if (rootKey) trustWhatsApp(Buffer.from(rootKey, 'hex'))
