import { randomBytes } from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { proto, WAMessage } from '@whiskeysockets/baileys'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createDownloads, type DownloadTimes } from '../../../src/adapters/baileys/download.ts'
import type { MediaMessage } from '../../../src/domain/content.ts'
import { notFound, Refusal } from '../../../src/domain/errors.ts'
import { startMediaHost, type MediaHost } from '../../stand-ins/whatsapp/media-host.ts'
import { fileIn, messageWith, type Attachment } from '../../stand-ins/whatsapp/media.ts'
import { testCertificate, testKey } from '../../support/certificate.ts'
import { jpeg, tinyFiles } from '../../support/files.ts'
import { eventually } from '../../support/eventually.ts'

const WHATSAPP = 'ws://127.0.0.1:1/ws/chat'
const ID = '3A0000000000000001'

let host: MediaHost
let missing: unknown[]
beforeAll(async () => {
  host = await startMediaHost()
})
afterAll(() => host.stop())
beforeEach(() => {
  missing = []
})
afterEach(() => expect(host.errors).toEqual([]))

type Options = { readonly maxBytes?: number; readonly times?: Partial<DownloadTimes>; readonly url?: string }
const downloads = ({ maxBytes = 10_000_000, times, url = WHATSAPP }: Options = {}) => {
  const { download, close } = createDownloads({
    whatsappUrl: url,
    maxBytes,
    ca: testCertificate,
    times: { totalMs: 10_000, reuploadMs: 5000, ...times },
    onMissing: (...about) => missing.push(about),
  })
  onTestFinished(close)
  return download
}

const wrap = (message: proto.IMessage): WAMessage => ({
  key: { remoteJid: '5511999999999@s.whatsapp.net', id: ID, fromMe: false },
  message,
})
const fileOf = (message: WAMessage) => {
  const file = fileIn(message.message ?? {})
  if (!file) throw new Error('There is no file')
  return file.fields
}
const sent = async (attachment: Attachment) => wrap(await messageWith(host, attachment))
const photo = (bytes: Uint8Array = jpeg) => sent({ kind: 'image', bytes, mimetype: 'image/jpeg' })
const image: MediaMessage = { kind: 'image', mimeType: 'image/jpeg', caption: 'Look' }

/** Keeps the bytes; answers as the application does. */
const keeper = () => {
  const kept: Buffer[] = []
  return {
    kept,
    keep: async (body: Readable): Promise<MediaMessage> => {
      kept.push(await buffer(body))
      return { ...image, mediaId: 'kept' }
    },
  }
}
const nobodyUploads = () => Promise.reject(new Error('The phone has it no more'))
const how = (keep: (body: Readable) => Promise<MediaMessage>, change: object = {}) => ({
  keep,
  reupload: nobodyUploads,
  signal: new AbortController().signal,
  ...change,
})

const expectMissing = async (
  message: WAMessage,
  reason: MediaMessage['mediaMissing'],
  detail: RegExp,
  options?: Options,
) => {
  const { kept, keep } = keeper()
  expect(await downloads(options)(message, image, how(keep))).toEqual({ ...image, mediaMissing: reason })
  expect(kept).toEqual([])
  expect(missing).toEqual([[ID, reason, expect.stringMatching(detail)]])
}

describe('a file that comes in', () => {
  test.each<[Attachment['kind'], MediaMessage['kind'], string]>([
    ['image', 'image', 'a.jpg'],
    ['video', 'video', 'a.mp4'],
    ['voice', 'audio', 'a.opus'],
    ['sticker', 'sticker', 'a.webp'],
    ['document', 'document', 'a.pdf'],
  ])('of the kind %s is had as it was sent', async (kind, told, name) => {
    const bytes = tinyFiles[name] ?? jpeg
    const message = await sent({ kind, bytes, mimetype: 'x/y', fileName: name, caption: 'c' })
    const { kept, keep } = keeper()
    const content = await downloads()(message, { kind: told }, how(keep))
    expect(content).toMatchObject({ mediaId: 'kept' })
    expect(kept).toEqual([bytes])
    expect(missing).toEqual([])
  })

  test('is had whatever its message is wrapped in', async () => {
    const { message = null } = await sent({ kind: 'sticker', bytes: jpeg, mimetype: 'image/webp' })
    const { kept, keep } = keeper()
    const wrapped = { ephemeralMessage: { message: { lottieStickerMessage: { message } } } }
    await downloads()(wrap(wrapped), { kind: 'sticker' }, how(keep))
    expect([kept, missing]).toEqual([[jpeg], []])
  })

  test('is had in parts, and of any length', async () => {
    for (const length of [1, 15, 16, 17, 1_000_003]) {
      const bytes = randomBytes(length)
      const parts: number[] = []
      const keep = async (body: Readable) => {
        const all: Buffer[] = []
        for await (const part of body as AsyncIterable<Buffer>) {
          parts.push(part.length)
          all.push(part)
        }
        expect(Buffer.concat(all).equals(bytes)).toBe(true)
        return image
      }
      await downloads()(await photo(bytes), image, how(keep))
      expect(Math.max(...parts)).toBeLessThan(200_000)
    }
    expect(missing).toEqual([])
  })

  test('that was kept before is not asked for', async () => {
    const message = await photo()
    host.expire(fileOf(message).directPath ?? '')
    const keep = async (body: Readable) => {
      body.destroy()
      return { ...image, mediaId: 'before' }
    }
    expect(await downloads()(message, image, how(keep))).toEqual({ ...image, mediaId: 'before' })
  })

  test('that cannot be kept at the moment is an error, to be tried again', async () => {
    for (const error of [new Error('The disk is full'), new Refusal('UNAVAILABLE', 'Later')]) {
      const keep = async (body: Readable) => {
        body.destroy()
        throw error
      }
      await expect(downloads()(await photo(), image, how(keep))).rejects.toBe(error)
    }
    expect(missing).toEqual([])
  })

  test('that is refused for good is missing', async () => {
    const refusals = [
      [new Refusal('PAYLOAD_TOO_LARGE', 'Too large'), 'too_large'],
      [new Refusal('VALIDATION_FAILED', 'Empty'), 'damaged'],
      [notFound('Media'), 'unavailable'],
    ] as const
    for (const [error, reason] of refusals) {
      const keep = (body: Readable) => {
        body.destroy()
        return Promise.reject(error)
      }
      const content = await downloads()(await photo(), image, how(keep))
      expect(content).toEqual({ ...image, mediaMissing: reason })
    }
  })
})

describe('a file is missing', () => {
  test('if a byte of it is another one', async () => {
    const message = await photo(randomBytes(100_000))
    host.damage(fileOf(message).directPath ?? '')
    await expectMissing(message, 'damaged', /MAC/)
  })
  test('if it is not the one that was announced, though well encrypted', async () => {
    const message = await photo()
    fileOf(message).fileSha256 = randomBytes(32)
    await expectMissing(message, 'damaged', /SHA-256/)
  })
  test('if it has another length', async () => {
    const message = await photo()
    fileOf(message).fileLength = 5
    await expectMissing(message, 'damaged', /bytes instead of 5/)
  })
  test('if what is there is cut off', async () => {
    const message = await photo(randomBytes(1000))
    const whole = host.bytesOf(fileOf(message).directPath ?? '')
    for (const length of [0, 5, 10, 500]) {
      missing = []
      fileOf(message).directPath = host.put(whole.subarray(0, length)).directPath
      await expectMissing(message, 'damaged', /MAC|wrong final block/i)
    }
  })
  test('if it is announced to be too large, without a request', async () => {
    const message = await photo(randomBytes(2000))
    host.expire(fileOf(message).directPath ?? '')
    await expectMissing(message, 'too_large', /2000 bytes/, { maxBytes: 1999 })
  })
  test('if it is larger than it was announced to be', async () => {
    const message = await photo(randomBytes(300_000))
    fileOf(message).fileLength = 10
    await expectMissing(message, 'too_large', /more than/, { maxBytes: 1000 })
  })
  test('if its message has no key', async () => {
    const message = await photo()
    fileOf(message).mediaKey = null
    await expectMissing(message, 'unavailable', /no key/)
  })
  test('if nothing comes in time', async () => {
    const { url } = await hostThat((_, response) => void response.writeHead(200).write('x'))
    const message = await photo()
    Object.assign(fileOf(message), { url: `${url}/x`, directPath: '/x' })
    await expectMissing(message, 'unavailable', /too long|not in/, { times: { totalMs: 300 } })
  })
})

/** A host with a certificate that is trusted, and ways of its own. */
const hostThat = async (answer: Parameters<typeof createServer>[1] & {}) => {
  const asked: string[] = []
  const server = createServer({ key: testKey, cert: testCertificate }, (request, response) => {
    asked.push(request.url ?? '')
    answer(request, response)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    return new Promise((done) => void server.close(() => done()))
  })
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, asked }
}

describe('only hosts of WhatsApp are asked', () => {
  test('and no other one, whatever the message says', async () => {
    const { url, asked } = await hostThat((_, response) => response.end('secret'))
    const message = await photo()
    for (const address of [`${url}/x`, 'http://mmg.whatsapp.net/x', 'file:///etc/passwd', 'not a URL']) {
      missing = []
      Object.assign(fileOf(message), { url: address, directPath: null })
      await expectMissing(message, 'unavailable', /not fetched from/, {
        url: 'wss://web.whatsapp.com/ws/chat',
      })
    }
    // The path is put behind a host: what makes another host of it leads nowhere.
    for (const directPath of [`@${new URL(url).host}/x`, `.${new URL(url).host}/x`]) {
      missing = []
      Object.assign(fileOf(message), { url: null, directPath })
      await expectMissing(message, 'unavailable', /not fetched from/, {
        url: 'wss://web.whatsapp.com/ws/chat',
      })
    }
    expect(asked).toEqual([])
  })
  test('nor one that they send on to', async () => {
    const other = await hostThat((_, response) => response.end('secret'))
    const { url } = await hostThat((_, response) =>
      response.writeHead(302, { location: `${other.url}/x` }).end(),
    )
    const message = await photo()
    Object.assign(fileOf(message), { url: `${url}/x`, directPath: '/x' })
    await expectMissing(message, 'unavailable', /answered 302/)
    expect(other.asked).toEqual([])
  })
})

describe('an expired file', () => {
  test.each([404, 410] as const)('(%i) is had once the phone has uploaded it again', async (status) => {
    const message = await photo()
    host.expire(fileOf(message).directPath ?? '', status)
    let asked = 0
    const reupload = async (about: WAMessage) => {
      asked += 1
      // Encrypted anew, so that it lies elsewhere; and with the host that the library thinks right.
      const again = await messageWith(host, { kind: 'image', bytes: jpeg, mimetype: 'image/jpeg' })
      const { directPath, mediaKey } = fileOf(wrap(again))
      Object.assign(fileOf(about), { directPath, mediaKey, url: `https://mmg.whatsapp.net${directPath}` })
    }
    const { kept, keep } = keeper()
    expect(await downloads()(message, image, how(keep, { reupload }))).toMatchObject({ mediaId: 'kept' })
    expect([kept, asked]).toEqual([[jpeg], 1])
  })
  test('that the phone has no more is missing', async () => {
    const message = await photo()
    host.expire(fileOf(message).directPath ?? '')
    await expectMissing(message, 'expired', /no more/)
  })
  test('is missing if the phone is off', async () => {
    const message = await photo()
    host.expire(fileOf(message).directPath ?? '')
    const { keep } = keeper()
    const reupload = () => new Promise(() => undefined)
    const download = downloads({ times: { reuploadMs: 100 } })
    expect(await download(message, image, how(keep, { reupload }))).toMatchObject({ mediaMissing: 'expired' })
  })
  test('keeps nobody from a file that is there, while its phone is waited for', async () => {
    const gone = await photo()
    host.expire(fileOf(gone).directPath ?? '')
    let asked = 0
    const reupload = () => {
      asked += 1
      return new Promise(() => undefined)
    }
    const download = downloads()
    let over = 0
    const waiting = Array.from({ length: 20 }, async () => {
      await download(gone, image, how(keeper().keep, { reupload }))
      over += 1
    })
    await eventually(() => expect(asked).toBeGreaterThanOrEqual(8))
    await download(await photo(), image, how(keeper().keep))
    expect(over).toBe(0)
    await Promise.all(waiting)
  })
  test('that is gone again is missing, and the phone is not asked twice', async () => {
    const message = await photo()
    host.expire(fileOf(message).directPath ?? '')
    let asked = 0
    const reupload = async () => void asked++
    const { keep } = keeper()
    const content = await downloads()(message, image, how(keep, { reupload }))
    expect([content.mediaMissing, asked]).toEqual(['expired', 1])
  })
})

test('a host that has a bad moment is asked again', async () => {
  const message = await photo()
  const bytes = host.bytesOf(fileOf(message).directPath ?? '')
  let times = 0
  const { url, asked } = await hostThat((_, response) => {
    times += 1
    if (times === 1) response.writeHead(503).end()
    else if (times === 2) response.writeHead(200).write(bytes.subarray(0, 20), () => response.destroy())
    else response.end(bytes)
  })
  Object.assign(fileOf(message), { url: `${url}/x`, directPath: '/x' })
  const { kept, keep } = keeper()
  expect(await downloads()(message, image, how(keep))).toMatchObject({ mediaId: 'kept' })
  expect([kept, asked.length]).toEqual([[jpeg], 3])
})

test('the end of the session ends a download, without a word on the file', async () => {
  const ending = new AbortController()
  const { url } = await hostThat((_, response) =>
    response.writeHead(200).write('x', () => ending.abort(new Error('The session is over'))),
  )
  const message = await photo()
  Object.assign(fileOf(message), { url: `${url}/x`, directPath: '/x' })
  const { keep } = keeper()
  const downloading = downloads()(message, image, how(keep, { signal: ending.signal }))
  await expect(downloading).rejects.toThrow('The session is over')
  expect(missing).toEqual([])
})
