/** How clients come to files: where they upload, and how they ask the phone to upload an old one again. */
import { randomBytes } from 'node:crypto'
import { aesEncryptGCM, hkdf, proto, type BinaryNode } from '@whiskeysockets/baileys'
import { UPLOAD_AUTH, type MediaHost } from './media-host.ts'
import { fileIn } from './media.ts'
import type { Device, Person, WhatsApp } from './types.ts'

export const answerMediaIqs = (whatsApp: WhatsApp, host: MediaHost) => {
  whatsApp.handlers.set('w:m', () => [
    {
      tag: 'media_conn',
      attrs: { auth: UPLOAD_AUTH, ttl: '3600', auth_ttl: '3600', max_buckets: '12' },
      content: [{ tag: 'host', attrs: { hostname: host.host, maxContentLengthBytes: '104857600' } }],
    },
  ])
}
