import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatOf, mediaRules } from '../../src/domain/media-rules.ts'
import { firstTenantId } from '../../src/domain/ids.ts'
import { createMediaExpiry } from '../../src/reactions/expire-media.ts'
import { createTransact } from '../../src/write/transact.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Client, type Json } from '../support/client.ts'
import { download, jpeg, mp4, pdf, png, tinyFiles, upload, zip } from '../support/files.ts'
import { addTenant, instanceClient, isoSecondsText, storingNothing, type App } from './world.ts'
import { eventually } from '../support/eventually.ts'

const LIMIT_BYTES = 2000
const MAX_BYTES = 4000
const limited = (maxBytes: number, rule: (typeof mediaRules)['image']) => ({ ...rule, maxBytes })
/** Small limits, so that tests need not send much. */
const smallRules = {
  image: limited(LIMIT_BYTES, mediaRules.image),
  video: limited(LIMIT_BYTES, mediaRules.video),
  audio: limited(LIMIT_BYTES, mediaRules.audio),
  document: limited(MAX_BYTES, mediaRules.document),
}

let app: App
let small: App
let bot: Client
beforeAll(async () => {
  app = await startApp()
  small = await startApp({}, { mediaRules: smallRules })
  bot = await instanceClient(app.admin, await createConnectedInstance(app.admin))
})
afterAll(async () => {
  await app.stop()
  await small.stop()
})

const filesIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
const keptBy = ({ dataFolder }: App) => filesIn(join(dataFolder, 'media'))
const arrivingAt = ({ dataFolder }: App) => filesIn(join(dataFolder, 'incoming'))
const uploaded = async (client: Client, name = 'a.png', content: Buffer = png): Promise<Json> =>
  (await upload(client, name, content)).body.data
const uuidOf = (id: string) => id.replace(/^media_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** Does something that must leave neither a word in the log nor a file. */
const keepingNothing = async <T>(of: App, task: () => Promise<T>): Promise<T> => {
  const before = await keptBy(of)
  const result = await storingNothing(of, task)
  expect(await keptBy(of)).toEqual(before)
  expect(await arrivingAt(of)).toEqual([])
  return result
}

describe('POST /media/upload', () => {
  it.each(['', '/api/v1'])('at %s/media/upload answers as the reference shows', async (prefix) => {
    const { status, body } = await upload({ ...bot, url: bot.url + prefix }, 'image.jpg', jpeg, {
      type: 'image',
    })
    expect(status).toBe(201)
    expect(body).toEqual({
      success: true,
      data: {
        id: expect.stringMatching(/^media_[0-9a-f]{32}$/),
        url: expect.stringMatching(new RegExp(`^${app.url}/files/[\\w-]{32}\\.jpg$`)),
        type: 'image',
        mime_type: 'image/jpeg',
        size: jpeg.length,
        filename: 'image.jpg',
        created_at: isoSecondsText,
        expires_at: isoSecondsText,
      },
    })
    const { created_at, expires_at } = body.data
    const daysKept = (Date.parse(expires_at) - Date.parse(created_at)) / 86_400_000
    expect(daysKept).toBeCloseTo(7, 3)
  })
  it.each(Object.entries(tinyFiles))('takes %s for what it is, and gives it back', async (name, content) => {
    const { status, body } = await upload(bot, name, content)
    expect(status).toBe(201)
    const format = formatOf(mediaRules, name.slice(2))
    expect(body.data).toMatchObject({ type: format?.type, mime_type: format?.mimeType, size: content.length })
    const { bytes, headers } = await download(bot, body.data.url)
    expect(bytes.equals(content)).toBe(true)
    expect(headers.get('content-type')).toBe(format?.mimeType)
  })
  it('goes by the content, whatever the name says', async () => {
    expect(await uploaded(bot, 'photo.jpg', png)).toMatchObject({
      mime_type: 'image/png',
      filename: 'photo.jpg',
    })
  })
  it('takes text that is named .csv as text', async () => {
    expect(await uploaded(bot, 'list.csv', Buffer.from('a;b\n1;2\n'))).toMatchObject({
      type: 'document',
      mime_type: 'text/plain',
    })
  })
  it('leaves nothing but the name of a name', async () => {
    expect(await uploaded(bot, '../../etc/ol\u0001á.png')).toMatchObject({ filename: 'olá.png' })
  })
  it.each([
    ['page.html', Buffer.from('<!doctype html><script>alert(1)</script>')],
    ['image.svg', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')],
    ['photo.jpg', Buffer.from('<!doctype html><script>alert(1)</script>')],
    ['notes.txt', Buffer.from('a\0b')],
    ['notes.txt', Buffer.from([0x61, 0xff, 0xfe])],
    ['program.exe', Buffer.from('MZ\0\0 and so on and so forth')],
    ['archive.zip', zip('META-INF/MANIFEST.MF', 'Main')],
    ['no name at all', Buffer.from('just text')],
  ])('refuses %s with 415 and says what is taken', async (name, content) => {
    const { status, body } = await keepingNothing(app, () => upload(bot, name, content))
    expect(status).toBe(415)
    expect(body.error.code).toBe('UNSUPPORTED_MEDIA_TYPE')
    expect(body.error.message).toContain('image up to 16 MB (jpg, jpeg, png, gif, webp)')
  })
  it('refuses what is of another type than it says, naming what that type takes', async () => {
    const { status, body } = await keepingNothing(app, () => upload(bot, 'a.jpg', pdf, { type: 'image' }))
    expect(status).toBe(415)
    expect(body.error).toMatchObject({
      message: 'This file (application/pdf) cannot be sent as image. Allowed: jpg, jpeg, png, gif, webp.',
      details: { found: 'application/pdf', allowed: ['jpg', 'jpeg', 'png', 'gif', 'webp'] },
    })
  })
  it('takes a file to its limit, and refuses one byte more with 413, naming the limit', async () => {
    const padded = (size: number) => Buffer.concat([png, Buffer.alloc(size - png.length)])
    expect((await upload(small.admin, 'a.png', padded(LIMIT_BYTES), { type: 'image' })).status).toBe(201)
    for (const fields of [{ type: 'image' }, {}]) {
      const { status, body } = await keepingNothing(small, () =>
        upload(small.admin, 'a.png', padded(LIMIT_BYTES + 1), fields),
      )
      expect(status).toBe(413)
      expect(body.error).toMatchObject({
        code: 'PAYLOAD_TOO_LARGE',
        message: `A file sent as image may have at most ${LIMIT_BYTES} bytes.`,
        details: { limit_bytes: LIMIT_BYTES },
      })
    }
  })
  it('refuses a file as soon as it is too large for anything, and lets the client see why', async () => {
    const endless = Buffer.concat([pdf, Buffer.alloc(3_000_000)])
    const { status, body } = await keepingNothing(small, () => upload(small.admin, 'a.pdf', endless))
    expect(status).toBe(413)
    expect(body.error.message).toBe(`A file may have at most ${MAX_BYTES} bytes.`)
  })
  it.each([
    ['no file', { text: 'x' }, 'file', 'is required'],
    ['an empty file', { file: new File([], 'a.png') }, 'file', 'must not be empty'],
    ['an unknown type', { type: 'hologram', file: new File([png], 'a.png') }, 'type', 'must be one of'],
    [
      'an unknown type behind',
      { file: new File([png], 'a.png'), type: 'hologram' },
      'type',
      'must be one of',
    ],
  ])('refuses %s by the name of the field', async (_, fields, field, words) => {
    const form = new FormData()
    for (const [name, value] of Object.entries<string | File>(fields)) form.append(name, value)
    const send = () =>
      fetch(`${app.url}/media/upload`, {
        method: 'POST',
        headers: { authorization: bot.authorization },
        body: form,
      })
    const response = await keepingNothing(app, send)
    expect(response.status).toBe(422)
    const { error }: Json = await response.json()
    expect(error.details).toEqual({ [field]: [expect.stringContaining(words)] })
  })
  it('refuses two files', async () => {
    const form = new FormData()
    for (const name of ['a.png', 'b.png']) form.append('file', new File([png], name))
    const headers = { authorization: bot.authorization }
    const response = await keepingNothing(app, () =>
      fetch(`${app.url}/media/upload`, { method: 'POST', headers, body: form }),
    )
    expect(response.status).toBe(422)
  })
  it.each([
    ['application/json', '{}', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['multipart/form-data', 'x', 400, 'MALFORMED_REQUEST'],
    ['multipart/form-data; boundary=b', '--b\r\nbroken', 400, 'MALFORMED_REQUEST'],
    [
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ncut off',
      400,
      'MALFORMED_REQUEST',
    ],
  ])('refuses a body of type %s, %j, with %i', async (type, body, status, code) => {
    const headers = { authorization: bot.authorization, 'content-type': type }
    const response = await keepingNothing(app, () =>
      fetch(`${app.url}/media/upload`, { method: 'POST', headers, body }),
    )
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ success: false, error: { code } })
  })
  it('needs a token before it takes anything', async () => {
    const stranger = { ...bot, authorization: 'Bearer nobody' }
    expect((await keepingNothing(app, () => upload(stranger, 'a.png', png))).status).toBe(401)
  })
  it('that the client breaks off leaves nothing behind', async () => {
    await storingNothing(app, async () => {
      const before = await keptBy(app)
      const headers = {
        authorization: bot.authorization,
        'content-type': 'multipart/form-data; boundary=b',
        'transfer-encoding': 'chunked',
      }
      const sending = request(`${app.url}/media/upload`, { method: 'POST', headers })
      sending.on('error', () => undefined)
      const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
      sending.write(Buffer.concat([Buffer.from(head), png, Buffer.alloc(100_000)]))
      await eventually(async () => expect(await arrivingAt(app)).toHaveLength(1))
      sending.destroy()
      await eventually(async () => expect(await arrivingAt(app)).toEqual([]))
      expect(await keptBy(app)).toEqual(before)
      expect(app.faults).toEqual([])
    })
  })
  it('of a 60 MB video does not go through the memory', async () => {
    const [part, parts] = [Buffer.alloc(1_000_000), 60]
    const headers = {
      authorization: app.admin.authorization,
      'content-type': 'multipart/form-data; boundary=b',
    }
    const sending = request(`${app.url}/media/upload`, { method: 'POST', headers })
    sending.write('--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n')
    sending.write(mp4)
    const used = () => process.memoryUsage().external + process.memoryUsage().heapUsed
    const before = used()
    let most = 0
    for (let sent = 0; sent < parts; sent++) {
      if (!sending.write(part)) await once(sending, 'drain')
      most = Math.max(most, used() - before)
    }
    sending.end('\r\n--b--\r\n')
    const [response]: { statusCode?: number; resume: () => void }[] = await once(sending, 'response')
    response?.resume()
    expect(response?.statusCode).toBe(201)
    // Client and server are this one process.
    expect(most).toBeLessThan(40_000_000)
  })
})

describe('a file', () => {
  it('is shown by its id, in either form', async () => {
    const file = await uploaded(bot)
    for (const id of [file.id, file.id.toUpperCase().replace('MEDIA', 'media'), uuidOf(file.id)]) {
      const { status, body } = await bot.get(`/media/${id}`)
      expect(status).toBe(200)
      expect(body).toEqual({ success: true, data: file })
    }
  })
  it.each(['media_1', 'media_', 'nonsense', `media_${'0'.repeat(32)}`, '..%2f..%2fetc'])(
    'that is not there is not found: %s',
    async (id) => {
      expect((await bot.get(`/media/${id}`)).status).toBe(404)
      expect((await bot.delete(`/media/${id}`)).status).toBe(404)
      expect((await bot.get(`/files/${id}`)).status).toBe(404)
    },
  )
  it('has an address below PUBLIC_URL where there is one', async () => {
    const other = await startApp({ PUBLIC_URL: 'https://api.example.com/' })
    expect((await uploaded(other.admin)).url).toMatch(/^https:\/\/api\.example\.com\/files\/[\w-]{32}\.png$/)
    await other.stop()
  })
  it('is gone once it is deleted: from its id, from its address, from the disk, by its name from the log', async () => {
    const file = await uploaded(bot)
    expect(await keptBy(app)).toContain(uuidOf(file.id))
    const { status, body } = await bot.delete(`/media/${file.id}`)
    expect(status).toBe(200)
    expect(body).toEqual({ success: true, message: 'Media deleted successfully' })
    expect((await bot.get(`/media/${file.id}`)).status).toBe(404)
    expect((await bot.delete(`/media/${file.id}`)).status).toBe(404)
    expect((await download(bot, file.url)).status).toBe(404)
    await eventually(async () => {
      expect(await keptBy(app)).not.toContain(uuidOf(file.id))
      expect((await app.store.readStream(`media-${uuidOf(file.id)}`))[0]).toMatchObject({ erased: true })
    })
  })
  it('is gone once its time is over, and not before', async () => {
    const file = await uploaded(bot)
    const { transact } = createTransact(app.store)
    const expire = createMediaExpiry({ db: app.db, transact })
    const due = (ms: number) => new Date(Date.parse(file.expires_at) + ms).toISOString()
    await expire(due(-60_000))
    expect((await bot.get(`/media/${file.id}`)).status).toBe(200)
    await expire(due(60_000))
    expect((await bot.get(`/media/${file.id}`)).status).toBe(404)
    await eventually(async () => expect(await keptBy(app)).not.toContain(uuidOf(file.id)))
    await storingNothing(app, () => expire(due(60_000)))
  })
  it('is the tenant’s, and of an instance’s token only that instance’s', async () => {
    const neighbour = await instanceClient(app.admin, await createConnectedInstance(app.admin, 'neighbour'))
    const { client: stranger } = await addTenant(app, 'mediastranger')
    const [ofBot, ofUser] = [await uploaded(bot), await uploaded(app.admin)]
    for (const [client, id, status] of [
      [bot, ofBot.id, 200],
      [app.admin, ofBot.id, 200],
      [app.admin, ofUser.id, 200],
      [bot, ofUser.id, 404],
      [neighbour, ofBot.id, 404],
      [stranger, ofBot.id, 404],
    ] as const)
      expect((await client.get(`/media/${id}`)).status).toBe(status)
    for (const client of [neighbour, stranger]) {
      const { status } = await storingNothing(app, () => client.delete(`/media/${ofBot.id}`))
      expect(status).toBe(404)
    }
  })
  it('without a mark of where it is stored in what others see of it', async () => {
    const file = await uploaded(bot)
    expect(file.url).not.toContain(file.id.slice('media_'.length))
    expect(file.url).not.toContain(firstTenantId)
  })
})

describe('the address of a file', () => {
  const content = Buffer.from('0123456789')
  let url: string
  let etag: string
  beforeAll(async () => {
    url = (await uploaded(bot, 'a.txt', content)).url
    etag = (await download(bot, url)).headers.get('etag') ?? ''
  })
  const get = (headers: Record<string, string> = {}) => download({ ...bot, authorization: '' }, url, headers)

  it('is open to anybody, with or without its ending, and tells browsers not to guess', async () => {
    const { status, headers, bytes } = await get()
    expect(status).toBe(200)
    expect(bytes.toString()).toBe('0123456789')
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'text/plain',
      'content-length': '10',
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, no-cache',
      'content-disposition': `attachment; filename="a.txt"; filename*=UTF-8''a.txt`,
      etag: expect.stringMatching(/^"[0-9a-f]{64}"$/),
    })
    expect((await download(bot, url.replace('.txt', ''))).bytes.toString()).toBe('0123456789')
  })
  it.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=4-', '456789', 'bytes 4-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-30', '0123456789', 'bytes 0-9/10'],
    ['bytes=8-100', '89', 'bytes 8-9/10'],
    ['bytes=9-9', '9', 'bytes 9-9/10'],
  ])('gives the range %s', async (range, part, shown) => {
    const { status, headers, bytes } = await get({ range })
    expect(status).toBe(206)
    expect(bytes.toString()).toBe(part)
    expect(headers.get('content-range')).toBe(shown)
    expect(headers.get('content-length')).toBe(String(part.length))
  })
  it.each(['bytes=10-', 'bytes=10-20', 'bytes=999999999999999-', 'bytes=-0'])(
    'refuses the range %s',
    async (range) => {
      const { status, headers, bytes } = await get({ range })
      expect(status).toBe(416)
      expect(headers.get('content-range')).toBe('bytes */10')
      expect(JSON.parse(bytes.toString()).error.code).toBe('RANGE_NOT_SATISFIABLE')
    },
  )
  it.each(['bytes=3-2', 'bytes=0-1,4-5', 'bytes=-', 'bytes=x', 'lines=0-3'])(
    'gives the whole for %s, which it does not understand',
    async (range) => expect(await get({ range })).toMatchObject({ status: 200, bytes: content }),
  )
  it('gives a range only of the file that is meant', async () => {
    expect((await get({ range: 'bytes=0-3', 'if-range': etag })).status).toBe(206)
    expect((await get({ range: 'bytes=0-3', 'if-range': '"another"' })).status).toBe(200)
  })
  it('gives nothing anew to those who have it', async () => {
    const { status, headers, bytes } = await get({ 'if-none-match': etag })
    expect([status, bytes.length, headers.get('etag')]).toEqual([304, 0, etag])
    expect((await get({ 'if-none-match': '"another"' })).status).toBe(200)
  })
  it('tells about the file without sending it', async () => {
    const response = await fetch(url, { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-length')).toBe('10')
    expect(await response.text()).toBe('')
  })
  it.each([
    ['a.png', /^inline; filename="a.png"/],
    ['a.mp4', /^inline/],
    ['a.mp3', /^inline/],
    ['a.pdf', /^attachment/],
    ['a.zip', /^attachment/],
  ])('shows or saves %s: %s', async (name, way) => {
    const file = await uploaded(bot, name, tinyFiles[name])
    const { headers } = await download(bot, file.url)
    expect(headers.get('content-disposition')).toMatch(way)
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
  })
  it('tells any name, in a way that every client can read', async () => {
    const file = await uploaded(bot, `relatório 100%'.pdf`, pdf)
    const { headers } = await download(bot, file.url)
    expect(headers.get('content-disposition')).toBe(
      `attachment; filename="relat_rio 100_'.pdf"; filename*=UTF-8''relat%C3%B3rio%20100%25%27.pdf`,
    )
  })
})
