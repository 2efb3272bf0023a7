import { createDecipheriv, createHash, createHmac } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { DEF_MEDIA_HOST, DEFAULT_ORIGIN, getMediaKeys, proto, type WAMessage } from '@whiskeysockets/baileys'
import { Agent } from 'undici'
import type { MediaMessage, MediaMissing } from '../../domain/content.ts'
import { Refusal } from '../../domain/errors.ts'
import { largestOf, mediaRules } from '../../domain/media-rules.ts'
import { unwrapped } from '../../domain/whatsapp-content.ts'
import { createPlaces } from '../../places.ts'
import { within } from '../within.ts'

/** Files that come in at once, of all sessions of this process. */
const AT_ONCE = 8
const CONNECT_MS = 10_000
/** From the request to the beginning of the answer, and between two parts of it. */
const STALL_MS = 15_000
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 15_000
/** At the end of what was encrypted. */
const MAC_BYTES = 10

export type DownloadTimes = {
  /** For one file, however often it is tried. Its chat waits for it. */
  readonly totalMs: number
  /** How long the phone that sent it, or ours, has to upload it again. */
  readonly reuploadMs: number
}
const usual: DownloadTimes = { totalMs: 180_000, reuploadMs: 30_000 }

type Options = {
  /** Where WhatsApp is. At another place than the real one there is a simulator, with files of its own. */
  readonly whatsappUrl: string
  readonly maxBytes?: number
  /** A certificate authority to trust instead of the usual ones, in PEM. */
  readonly ca?: string
  readonly times?: DownloadTimes
  /** Hears of files that could not be had. */
  readonly onMissing: (whatsappId: string, missing: MediaMissing, detail: string) => void
}

type Download = {
  /** Keeps the file, and answers what its message then says. It fails as the stream fails. */
  readonly keep: (body: Readable) => Promise<MediaMessage>
  /** Asks the phone to upload it again: `updateMediaMessage` of the socket, which changes the message. */
  readonly reupload: (message: WAMessage) => Promise<unknown>
  /** The end of the session. */
  readonly signal: AbortSignal
}

/** Why an attempt failed, and what may help. */
class Failure extends Error {
  readonly missing: MediaMissing
  readonly remedy: 'again' | 'reupload' | undefined
  constructor(missing: MediaMissing, message: string, remedy?: 'again' | 'reupload') {
    super(message)
    this.missing = missing
    this.remedy = remedy
  }
}

/**
 * Gets the files of messages: from WhatsApp's hosts only, in parts as they come, each checked to be what was sent. One that
 * cannot be had is said to be missing; then the message is told without it. Rejects where it could not be kept.
 */
export const createDownloads = ({
  whatsappUrl,
  maxBytes = largestOf(mediaRules),
  ca,
  times = usual,
  onMissing,
}: Options) => {
  const isAllowed = hostsOf(whatsappUrl)
  const places = createPlaces(AT_ONCE)
  const agent = new Agent({
    connect: { timeout: CONNECT_MS, ...(ca !== undefined && { ca }) },
    headersTimeout: STALL_MS,
    bodyTimeout: STALL_MS,
  })

  /** The encrypted bytes. Redirects are not followed. */
  const request = async (url: URL, signal: AbortSignal) => {
    const { origin, pathname, search } = url
    const headers = { origin: DEFAULT_ORIGIN }
    const answer = await agent.request({ origin, path: pathname + search, method: 'GET', headers, signal })
    const { statusCode, body } = answer
    if (statusCode === 200) return body
    body.on('error', () => undefined).destroy()
    const message = `${url.hostname} answered ${statusCode}`
    if ([403, 404, 410].includes(statusCode)) throw new Failure('expired', message, 'reupload')
    throw new Failure('unavailable', message, statusCode >= 500 || statusCode === 429 ? 'again' : undefined)
  }

  /** The file, as it comes. Ends well only if it is the one that was sent. */
  async function* fileOf(message: WAMessage, { kind }: MediaMessage, host: string, signal: AbortSignal) {
    const { mediaKey, directPath, url, fileSha256: sha256, fileLength } = mediaOf(message) ?? {}
    if (!mediaKey || !sha256 || !(directPath ?? url)) throw new Failure('unavailable', 'no key or address')
    const size = fileLength == null ? undefined : Number(fileLength)
    if (size !== undefined && size > maxBytes) throw new Failure('too_large', `${size} bytes announced`)
    const address = addressOf(directPath ? `https://${host}${directPath}` : (url ?? ''), isAllowed)
    const { iv, cipherKey, macKey } = await getMediaKeys(mediaKey, kind)
    if (!macKey) throw new Failure('unavailable', 'no key for its MAC')
    const body = await request(address, signal)
    try {
      yield* decrypted(body, { iv, cipherKey, macKey }, { sha256, size, maxBytes })
    } finally {
      body.on('error', () => undefined).destroy()
    }
  }

  /** One attempt; answers what failed on the way to the keeper, and throws what failed at the keeper. */
  const attempt = async (
    message: WAMessage,
    content: MediaMessage,
    host: string,
    keep: Download['keep'],
    signal: AbortSignal,
  ): Promise<MediaMessage | Failure> => {
    let failure: Failure | undefined
    const told = async function* () {
      try {
        yield* fileOf(message, content, host, signal)
      } catch (error) {
        throw (failure = failureOf(error))
      }
    }
    try {
      return await keep(Readable.from(told(), { objectMode: false }))
    } catch (error) {
      const known = failure ?? refusedBy(error)
      if (known) return known
      throw error
    }
  }

  const bring = async (message: WAMessage, content: MediaMessage, download: Download) => {
    const { keep, reupload, signal } = download
    let deadline: AbortSignal | undefined
    /** Whoever waits for a phone, or for a better moment, leaves its place to others. */
    const inPlace = () =>
      places.within(() => {
        signal.throwIfAborted()
        deadline ??= AbortSignal.any([signal, AbortSignal.timeout(times.totalMs)])
        return attempt(message, content, host, keep, deadline)
      })
    // What is uploaded again is at the same host, whatever the socket thinks.
    const host = hostOf(mediaOf(message)?.url, isAllowed)
    let mayAskAgain = true
    for (let pauseMs = RETRY_MIN_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS)) {
      const result = await inPlace()
      if (!(result instanceof Failure)) return result
      signal.throwIfAborted()
      if (result.remedy === 'reupload' && mayAskAgain) {
        mayAskAgain = false
        const asked = await asking(() => reupload(message), times.reuploadMs)
        if (!asked) continue
        return new Failure('expired', `${result.message}, and the phone did not upload it again: ${asked}`)
      }
      if (result.remedy !== 'again') return result
      const isOver = await sleep(pauseMs, false, { signal: deadline ?? signal }).catch(() => true)
      signal.throwIfAborted()
      if (isOver) return new Failure('unavailable', `not in ${times.totalMs} ms: ${result.message}`)
    }
  }

  return {
    /** The content of a message, with its file or with the reason why it is missing. */
    download: async (message: WAMessage, content: MediaMessage, how: Download): Promise<MediaMessage> => {
      const result = await bring(message, content, how)
      if (!(result instanceof Failure)) return result
      onMissing(message.key.id ?? '', result.missing, result.message)
      return { ...content, mediaMissing: result.missing }
    },
    close: () => agent.destroy(),
  }
}
export type Downloads = ReturnType<typeof createDownloads>

type Keys = { readonly iv: Uint8Array; readonly cipherKey: Uint8Array; readonly macKey: Uint8Array }
type Expected = { readonly sha256: Uint8Array; readonly size: number | undefined; readonly maxBytes: number }

/** What was encrypted, part by part. After the last one it fails if it is not what was expected. */
async function* decrypted(body: Readable, { iv, cipherKey, macKey }: Keys, expected: Expected) {
  const { sha256, size, maxBytes } = expected
  const decipher = createDecipheriv('aes-256-cbc', cipherKey, iv)
  const mac = createHmac('sha256', macKey).update(iv)
  const hash = createHash('sha256')
  let given = 0
  const checked = (part: Buffer) => {
    given += part.length
    if (given > maxBytes) throw new Failure('too_large', `more than ${maxBytes} bytes`)
    hash.update(part)
    return part
  }
  let end: Buffer = Buffer.alloc(0)
  for await (const part of body as AsyncIterable<Buffer>) {
    const bytes = Buffer.concat([end, part])
    const encrypted = bytes.subarray(0, Math.max(0, bytes.length - MAC_BYTES))
    end = bytes.subarray(encrypted.length)
    mac.update(encrypted)
    const plain = checked(decipher.update(encrypted))
    if (plain.length > 0) yield plain
  }
  if (!mac.digest().subarray(0, MAC_BYTES).equals(end)) throw new Failure('damaged', 'the MAC is wrong')
  yield checked(decipher.final())
  if (!hash.digest().equals(sha256)) throw new Failure('damaged', 'the SHA-256 is wrong')
  if (size !== undefined && given !== size) throw new Failure('damaged', `${given} bytes instead of ${size}`)
}

/** Answers why it did not work. The socket waits for ever for a phone that is off: that is then nobody's. */
const asking = async (ask: () => Promise<unknown>, ms: number): Promise<string | undefined> => {
  try {
    await within(ms, ask(), () => new Error(`no answer in ${ms} ms`))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** What has the address and the key of the file. */
const mediaOf = ({ message }: WAMessage) => {
  const content = proto.Message.fromObject(unwrapped(message))
  return (
    content.imageMessage ??
    content.videoMessage ??
    content.ptvMessage ??
    content.audioMessage ??
    content.documentMessage ??
    content.stickerMessage
  )
}

const REAL_HOST = 'web.whatsapp.com'
const loopback = ['localhost', '127.0.0.1', '[::1]']

/** Which hosts files are fetched from: those of WhatsApp, or that of the simulator. */
const hostsOf = (whatsappUrl: string) => {
  const { hostname } = new URL(whatsappUrl)
  const simulators = loopback.includes(hostname) ? loopback : [hostname]
  const others = hostname === REAL_HOST ? [] : simulators
  return (host: string) => host.endsWith('.whatsapp.net') || others.includes(host)
}

/** With its port. That of the sender if it may be asked, else the usual one. */
const hostOf = (url: string | null | undefined, isAllowed: (host: string) => boolean) => {
  const given = url && URL.canParse(url) ? new URL(url) : undefined
  return given && isAllowed(given.hostname) ? given.host : DEF_MEDIA_HOST
}

const addressOf = (text: string, isAllowed: (host: string) => boolean): URL => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:' || url.username || url.password || !isAllowed(url.hostname))
    throw new Failure('unavailable', `files are not fetched from ${url?.hostname ?? 'there'}`)
  return url
}

const failureOf = (error: unknown): Failure => {
  if (error instanceof Failure) return error
  const { message, name, code } = { message: String(error), name: '', code: '', ...asError(error) }
  if (/BAD_DECRYPT|WRONG_FINAL_BLOCK_LENGTH/.test(code)) return new Failure('damaged', message)
  return name === 'TimeoutError' || name === 'AbortError'
    ? new Failure('unavailable', 'it took too long')
    : new Failure('unavailable', message, 'again')
}

const asError = (error: unknown) =>
  error instanceof Error
    ? { message: error.message, name: error.name, code: 'code' in error ? String(error.code) : '' }
    : {}

/** What the keeper will refuse again, however often it is asked. */
const refusedBy = (error: unknown): Failure | undefined => {
  if (!(error instanceof Refusal) || error.code === 'UNAVAILABLE') return undefined
  if (error.code === 'PAYLOAD_TOO_LARGE') return new Failure('too_large', error.message)
  return new Failure(error.code === 'VALIDATION_FAILED' ? 'damaged' : 'unavailable', error.message)
}
