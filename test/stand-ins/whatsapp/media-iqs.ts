/** How clients come to files: where they upload, and how they ask the phone to upload an old one again. */
import { randomBytes } from 'node:crypto'
import { aesEncryptGCM, hkdf, proto, type BinaryNode } from '@whiskeysockets/baileys'
import { UPLOAD_AUTH, type MediaHost } from './media-host.ts'
import { fileIn } from './media.ts'
import { child, now, stanza } from './stanza.ts'
import type { Device, Person, WhatsApp } from './types.ts'

const { ResultType } = proto.MediaRetryNotification

export const answerMediaIqs = (whatsApp: WhatsApp, host: MediaHost) => {
  whatsApp.handlers.set('w:m', () => [
    stanza('media_conn', { auth: UPLOAD_AUTH, ttl: '3600', auth_ttl: '3600', max_buckets: '12' }, [
      stanza('host', { hostname: host.host, maxContentLengthBytes: '104857600' }),
    ]),
  ])
}

/**
 * A client asks the phone of its account to upload the file of a message again (`<receipt type="server-error">`). The
 * phone does, and tells where; or that it has no such file; or nothing at all while it is off. Answers a set for the ids of
 * messages whose files no phone has any more.
 */
export const addMediaRetries = (whatsApp: WhatsApp, host: MediaHost, phonesOff: ReadonlySet<Person>) => {
  const lost = new Set<string>()

  const retried = (device: Device, id: string): BinaryNode => {
    const message = device.person.inbox.find((one) => one.id === id)?.message
    const { mediaKey, directPath } = (message && fileIn(message)?.fields) ?? {}
    if (lost.has(id) || !mediaKey || !directPath)
      return stanza('error', { code: String(ResultType.NOT_FOUND) })
    const again = host.put(host.bytesOf(directPath))
    const news = { stanzaId: id, directPath: again.directPath, result: ResultType.SUCCESS }
    const iv = randomBytes(12)
    const key = hkdf(Buffer.from(mediaKey), 32, { info: 'WhatsApp Media Retry Notification' })
    const sealed = aesEncryptGCM(proto.MediaRetryNotification.encode(news).finish(), key, iv, Buffer.from(id))
    return stanza('encrypt', {}, [stanza('enc_p', {}, sealed), stanza('enc_iv', {}, iv)])
  }

  whatsApp.stanzaHandlers.set('receipt', (receipt, { device }) => {
    const { id = '', type } = receipt.attrs
    if (!device || type !== 'server-error' || phonesOff.has(device.person)) return
    const about = child(receipt, 'rmr')
    const attrs = { from: device.person.jid, type: 'mediaretry', id, t: now() }
    whatsApp.deliver(
      device.person,
      device.id,
      stanza('notification', attrs, [...(about ? [about] : []), retried(device, id)]),
    )
  })
  return lost
}
