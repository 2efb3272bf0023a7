/** Files in messages, as phones make and read them: encrypted with a key that is in the message. */
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import { getMediaKeys, type MediaType, type proto } from '@whiskeysockets/baileys'
import type { MediaHost } from './media-host.ts'

/** What the messages of all kinds of files have in common. */
export type FileFields = {
  url: string
  directPath: string
  mediaKey: Uint8Array
  fileSha256: Uint8Array
  fileEncSha256: Uint8Array
  fileLength: number
  mediaKeyTimestamp: number
  mimetype: string
}

const MAC_BYTES = 10
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

const macOf = (key: Uint8Array, iv: Uint8Array, encrypted: Uint8Array) =>
  createHmac('sha256', key).update(iv).update(encrypted).digest().subarray(0, MAC_BYTES)

const keysOf = async (mediaKey: Uint8Array, type: MediaType) => {
  const { iv, cipherKey, macKey } = await getMediaKeys(mediaKey, type)
  if (!macKey) throw new Error(`No key for ${type}`)
  return { iv, cipherKey, macKey }
}

const encrypt = async (bytes: Uint8Array, mediaKey: Uint8Array, type: MediaType) => {
  const { iv, cipherKey, macKey } = await keysOf(mediaKey, type)
  const cipher = createCipheriv('aes-256-cbc', cipherKey, iv)
  const encrypted = Buffer.concat([cipher.update(bytes), cipher.final()])
  return Buffer.concat([encrypted, macOf(macKey, iv, encrypted)])
}

/** Encrypts a file and uploads it, as the phone of whoever sends it does. */
const upload = async (
  host: MediaHost,
  file: { readonly bytes: Uint8Array; readonly mimetype: string },
  type: MediaType,
  mediaKey: Uint8Array = randomBytes(32),
): Promise<FileFields> => {
  const encrypted = await encrypt(file.bytes, mediaKey, type)
  return {
    ...host.put(encrypted),
    mediaKey,
    fileSha256: sha256(file.bytes),
    fileEncSha256: sha256(encrypted),
    fileLength: file.bytes.length,
    mediaKeyTimestamp: Math.floor(Date.now() / 1000),
    mimetype: file.mimetype,
  }
}

/** A file that is sent. Its kind is said by its name in `Attachment`. */
type FileToSend = { readonly bytes: Uint8Array; readonly mimetype: string; readonly caption?: string }
export type Attachment =
  | ({ readonly kind: 'image' | 'video' } & FileToSend)
  | ({ readonly kind: 'document' } & FileToSend & { readonly fileName: string })
  | { readonly kind: 'voice' | 'sticker'; readonly bytes: Uint8Array; readonly mimetype: string }

/** The message in which a person sends a file. */
export const messageWith = async (host: MediaHost, attachment: Attachment): Promise<proto.IMessage> => {
  const { kind } = attachment
  switch (kind) {
    case 'image':
    case 'video': {
      const fields = {
        ...(await upload(host, attachment, kind)),
        ...(attachment.caption !== undefined && { caption: attachment.caption }),
      }
      return kind === 'image' ? { imageMessage: fields } : { videoMessage: { ...fields, seconds: 1 } }
    }
    case 'document': {
      const { fileName, caption } = attachment
      const fields = { ...(await upload(host, attachment, kind)), fileName, title: fileName }
      if (caption === undefined) return { documentMessage: fields }
      return { documentWithCaptionMessage: { message: { documentMessage: { ...fields, caption } } } }
    }
    case 'voice':
      return { audioMessage: { ...(await upload(host, attachment, 'ptt')), ptt: true, seconds: 1 } }
    case 'sticker':
      return { stickerMessage: await upload(host, attachment, kind) }
  }
}

/** The file of a message, and the kind of keys that it is encrypted with. */
export const fileIn = (message: proto.IMessage) => {
  const inside = message.documentWithCaptionMessage?.message ?? message
  const found = (
    [
      ['image', inside.imageMessage],
      ['video', inside.videoMessage],
      ['document', inside.documentMessage],
      ['audio', inside.audioMessage],
      ['sticker', inside.stickerMessage],
    ] as const
  ).find(([, fields]) => fields)
  return found?.[1] ? { type: found[0], fields: found[1] } : undefined
}

/** What a phone shows of a file that was sent to it: looked at closely, it rejects with what is wrong. */
export const openFile = async (host: MediaHost, message: proto.IMessage): Promise<Buffer> => {
  const file = fileIn(message)
  const { mediaKey, directPath, fileSha256, fileEncSha256, fileLength } = file?.fields ?? {}
  if (!file || !mediaKey || !directPath) throw new Error('The message has no file')
  const stored = host.bytesOf(directPath)
  if (!fileEncSha256 || !sha256(stored).equals(fileEncSha256)) throw new Error('Another file was uploaded')
  const { iv, cipherKey, macKey } = await keysOf(mediaKey, file.type)
  const encrypted = stored.subarray(0, -MAC_BYTES)
  if (!macOf(macKey, iv, encrypted).equals(stored.subarray(-MAC_BYTES))) throw new Error('The MAC is wrong')
  const decipher = createDecipheriv('aes-256-cbc', cipherKey, iv)
  const bytes = Buffer.concat([decipher.update(encrypted), decipher.final()])
  if (!fileSha256 || !sha256(bytes).equals(fileSha256)) throw new Error('The SHA-256 is wrong')
  if (Number(fileLength) !== bytes.length) throw new Error('The length is wrong')
  return bytes
}
