import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AddressNotAllowed } from '../../src/adapters/outbound/address-guard.ts'
import { Conversation, remove } from '../../src/domain/conversation.ts'
import { conversationId, firstTenantId } from '../../src/domain/ids.ts'
import { mediaRules } from '../../src/domain/media-rules.ts'
import { createTransact } from '../../src/write/transact.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Client, type Json } from '../support/client.ts'
import { download, jpeg, mp4, pdf, png, startFileServer, tinyFiles, upload } from '../support/files.ts'
import { instanceClient, storingNothing, type App } from './world.ts'
import { eventually } from '../support/eventually.ts'

const LIMIT_BYTES = 5000
const TO = '5511999999999'
const notAllowed = (address: string) => new AddressNotAllowed(address).message

let app: App
let files: Awaited<ReturnType<typeof startFileServer>>
let instance: string
let bot: Client
beforeAll(async () => {
  app = await startApp(
    {},
    { mediaRules: { ...mediaRules, image: { ...mediaRules.image, maxBytes: LIMIT_BYTES } } },
  )
  files = await startFileServer(tinyFiles, (request, response) => {
    const [, kind, rest = ''] = /^\/([a-z-]+)\/?(.*)$/.exec(request.url ?? '') ?? []
    switch (kind) {
      case 'hops': {
        const location = rest === '1' ? '/a.jpg' : `/hops/${Number(rest) - 1}`
        return response.writeHead(302, { location }).end()
      }
      case 'to':
        return response.writeHead(307, { location: decodeURIComponent(rest) }).end()
      case 'endless':
        response.writeHead(200)
        response.write(jpeg)
        return void response.write(Buffer.alloc(100_000))
      case 'announced':
        return void response.writeHead(200, { 'content-length': 1_000_000 }).write(jpeg)
      case 'cut':
        response.writeHead(200, { 'content-length': 1000 })
        return response.write(jpeg, () => response.destroy())
      case 'empty':
        return response.writeHead(200).end()
      case 'named':
        return response
          .writeHead(200, { 'content-disposition': `attachment; filename*=UTF-8''relat%C3%B3rio.pdf` })
          .end(pdf)
      default:
        return response.writeHead(404).end()
    }
  })
})
afterAll(async () => {
  await app.stop()
  await files.close()
})
beforeEach(async () => {
  instance = await createConnectedInstance(app.admin)
  bot = await instanceClient(app.admin, instance)
  files.asked.length = 0
})

const outbox = async (): Promise<Json[]> =>
  (await bot.get(`/sandbox/instances/${instance}/outbox`)).body.data.messages
const send = (fields: object, key?: string, path = '/send-media') =>
  bot.post(
    path,
    { recipient: TO, media_type: 'image', ...fields },
    key === undefined ? {} : { 'idempotency-key': key },
  )
const at = (path: string) => `${files.url}/${path}`
const uploadedId = async (name = 'a.jpg', client = bot): Promise<string> =>
  (await upload(client, name, tinyFiles[name] ?? png)).body.data.id
const isKept = (id: string) =>
  access(join(app.dataFolder, 'media', id.slice(0, 2), id.slice(2, 4), id)).then(
    () => true,
    () => false,
  )

describe.each(['/send-media', '/messages/send-media'])('POST %s', (path) => {
  const post = (fields: object) => send({ instance_id: instance, ...fields }, undefined, path)

  it('sends a file at a URL, kept before it is sent', async () => {
    const { status, body } = await post({ media_url: at('a.jpg'), caption: 'Check this image!' })
    expect(status).toBe(200)
    expect(body).toMatchObject({ success: true, message: 'Media sent successfully', status: 'sent' })
    expect(await outbox()).toMatchObject([
      {
        kind: 'image',
        media_url: at('a.jpg'),
        mime_type: 'image/jpeg',
        filename: 'a.jpg',
        caption: 'Check this image!',
      },
    ])
    const { bytes, headers } = await download(bot, `/messages/${body.message_uuid}/media`)
    expect(bytes.equals(jpeg)).toBe(true)
    expect(headers.get('content-type')).toBe('image/jpeg')
    expect(files.asked).toEqual(['a.jpg'])
  })
  it('sends an uploaded file by its id', async () => {
    const media_id = await uploadedId('a.pdf')
    const { status, body } = await post({ media_id, media_type: 'document', filename: 'Monthly_Report.pdf' })
    expect(status).toBe(200)
    expect(await outbox()).toMatchObject([
      {
        kind: 'document',
        media_url: expect.stringMatching(new RegExp(`^${app.url}/files/`)),
        mime_type: 'application/pdf',
        filename: 'Monthly_Report.pdf',
      },
    ])
    expect((await download(bot, `/messages/${body.message_id}/media`)).bytes.equals(pdf)).toBe(true)
  })
  it.each([
    [{}, 'media_url'],
    [{ media_url: 'https://example.com/a.jpg', media_id: 'media_1' }, 'media_id'],
    [{ media_id: 'media_1' }, 'media_id'],
    [{ media_id: `media_${'0'.repeat(32)}` }, 'media_id'],
    [{ media_url: 'http://10.0.0.1/a.jpg' }, 'media_url'],
    [{ media_url: 'https://example.com/a.jpg', media_type: 'sticker' }, 'media_type'],
  ])('refuses %j by the name of %s', async (fields, field) => {
    const { status, body } = await storingNothing(app, () => post(fields))
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual([field])
  })
})

it('does not fetch the file of a message that the daily limit keeps back', async () => {
  await app.admin.call('PATCH', `/instances/${instance}`, { daily_limit: 1 })
  expect((await send({ media_url: at('a.jpg') })).status).toBe(200)
  files.asked.length = 0
  const { status, body } = await storingNothing(app, () => send({ media_url: at('a.jpg') }))
  expect([status, body.error.code]).toEqual([429, 'QUOTA_EXCEEDED'])
  expect(files.asked).toEqual([])
})

describe('a file that is sent', () => {
  it('keeps its name, from where it comes', async () => {
    await send({ media_url: at('named'), media_type: 'document' })
    await send({ media_url: at('a.pdf'), media_type: 'document', filename: 'mine.pdf' })
    expect((await outbox()).map(({ filename }) => filename)).toEqual(['relatório.pdf', 'mine.pdf'])
  })
  it('by id is of the type that is said', async () => {
    const media_id = await uploadedId('a.pdf')
    const { status, body } = await storingNothing(app, () => send({ media_id }))
    expect(status).toBe(422)
    expect(body.error.details).toEqual({ media_type: ['must be document for this file'] })
  })
  it('by id is the caller’s own', async () => {
    const neighbour = await instanceClient(app.admin, await createConnectedInstance(app.admin))
    for (const client of [neighbour, app.admin]) {
      const media_id = await uploadedId('a.jpg', client)
      const { status, body } = await storingNothing(app, () => send({ media_id }))
      expect(status).toBe(422)
      expect(Object.keys(body.error.details)).toEqual(['media_id'])
    }
  })
  it('is followed through three redirects', async () => {
    expect((await send({ media_url: at('hops/3') })).status).toBe(200)
    expect(files.asked).toEqual(['hops/3', 'hops/2', 'hops/1', 'a.jpg'])
  })
  it.each([
    ['hops/4', 'redirected more than 3 times'],
    [`to/${encodeURIComponent('http://10.0.0.1/secret')}`, notAllowed('10.0.0.1')],
    [`to/${encodeURIComponent('http://169.254.169.254/latest/meta-data/')}`, notAllowed('169.254.169.254')],
    [`to/${encodeURIComponent('file:///etc/passwd')}`, 'only http and https URLs are allowed'],
    ['missing', 'answered 404'],
    ['cut', 'connection closed before the end of the file'],
    ['empty', 'it is empty'],
  ])('that cannot be had from %s is told at once, and nothing is stored', async (path, reason) => {
    const { status, body } = await storingNothing(app, () => send({ media_url: at(path) }))
    expect(status).toBe(422)
    expect(body.error).toMatchObject({ code: 'MEDIA_UNAVAILABLE', details: { reason } })
  })
  it.each(['endless', 'announced'])(
    'that is too large (%s) is told at once, and nothing is stored',
    async (path) => {
      const { status, body } = await storingNothing(app, () => send({ media_url: at(path) }))
      expect(status).toBe(413)
      expect(body.error.message).toContain(`${LIMIT_BYTES} bytes`)
    },
  )
  it('that is something else is told at once, and nothing is stored', async () => {
    const { status, body } = await storingNothing(app, () => send({ media_url: at('a.pdf') }))
    expect(status).toBe(415)
    expect(body.error.message).toContain('application/pdf')
  })
  it('is not fetched for a message that cannot be sent', async () => {
    await bot.post(`/sandbox/instances/${instance}/disconnect`)
    const { status } = await storingNothing(app, () => send({ media_url: at('a.jpg') }))
    expect(status).toBe(409)
    expect(files.asked).toEqual([])
  })
})

describe('with an Idempotency-Key', () => {
  it('a file is fetched once, however often it is sent', async () => {
    const fields = { media_url: at('a.jpg'), caption: 'once' }
    const answers = [await send(fields, 'm1'), await send(fields, 'm1'), await send(fields, 'm1')]
    for (const { status, body } of answers) {
      expect(status).toBe(200)
      expect(body).toEqual(answers[0]?.body)
    }
    expect(files.asked).toEqual(['a.jpg'])
    expect(await outbox()).toHaveLength(1)
  })
  it('ten at once are one message and one file', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => send({ media_url: at('a.jpg') }, 'm2')),
    )
    for (const { status, body } of answers) {
      expect(status).toBe(200)
      expect(body).toEqual(answers[0]?.body)
    }
    expect(files.asked).toEqual(['a.jpg'])
    expect(await outbox()).toMatchObject([{ times_received: 1 }])
  })
  it('an upload is sent once, even if it is gone by the second time', async () => {
    const media_id = await uploadedId()
    const first = await send({ media_id }, 'm3')
    await bot.delete(`/media/${media_id}`)
    expect(await send({ media_id }, 'm3')).toMatchObject({ status: 200, body: first.body })
  })
  it('another file, caption or way of naming it is refused, and nothing is fetched', async () => {
    const media_id = await uploadedId()
    await send({ media_url: at('a.jpg'), caption: 'first' }, 'm4')
    files.asked.length = 0
    for (const other of [
      { media_url: at('a.jpeg'), caption: 'first' },
      { media_url: at('a.jpg'), caption: 'second' },
      { media_id, caption: 'first' },
    ]) {
      const { status, body } = await storingNothing(app, () => send(other, 'm4'))
      expect(status).toBe(409)
      expect(body.error.code).toBe('IDEMPOTENCY_KEY_REUSED')
    }
    expect(files.asked).toEqual([])
  })
})

describe('GET /messages/{id}/media', () => {
  const receive = async (message: object, id = 'M1') =>
    (
      await bot.post(`/webhooks/instance/${instance}/incoming`, {
        key: { remoteJid: `${TO}@s.whatsapp.net`, fromMe: false, id },
        messageTimestamp: 1_705_312_200,
        message,
      })
    ).body.data.message_id
  const image = { url: '', mimetype: 'image/jpeg', caption: 'Look' }

  it('fetches what came in once, and gives it by each id of the message', async () => {
    const uuid = await receive({ imageMessage: { ...image, url: at('a.jpg') } })
    for (const id of [uuid, 'M1', uuid]) {
      const { status, bytes, headers } = await download(bot, `/messages/${id}/media`)
      expect(status).toBe(200)
      expect(bytes.equals(jpeg)).toBe(true)
      expect(headers.get('content-type')).toBe('image/jpeg')
    }
    expect(files.asked).toEqual(['a.jpg'])
  })
  it('fetches it once for many who ask at once', async () => {
    const uuid = await receive({ videoMessage: { url: at('a.mp4'), mimetype: 'video/mp4' } })
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => download(bot, `/messages/${uuid}/media`)),
    )
    for (const { bytes } of answers) expect(bytes.equals(mp4)).toBe(true)
    expect(files.asked).toEqual(['a.mp4'])
  })
  it('gives a range of it', async () => {
    const uuid = await receive({ imageMessage: { ...image, url: at('a.jpg') } })
    const { status, bytes } = await download(bot, `/messages/${uuid}/media`, { range: 'bytes=6-9' })
    expect([status, bytes.toString()]).toEqual([206, 'JFIF'])
    const { status: beyond } = await download(bot, `/messages/${uuid}/media`, { range: 'bytes=5000-' })
    expect(beyond).toBe(416)
  })
  it('gives whatever people send each other, but never in a way that a browser would run', async () => {
    const page = Buffer.from('<!doctype html><script>alert(1)</script>')
    const strange = await startFileServer({ page })
    const url = `${strange.url}/page`
    const document = { url, mimetype: 'text/html', fileName: 'page.html' }
    for (const [id, message] of Object.entries({
      D1: { documentMessage: document },
      D2: { imageMessage: { ...document, mimetype: 'image/svg+xml' } },
      D3: { stickerMessage: { ...document, mimetype: 'text/html\r\nX-Evil: 1' } },
    })) {
      const { status, bytes, headers } = await download(bot, `/messages/${await receive(message, id)}/media`)
      expect(status).toBe(200)
      expect(bytes.equals(page)).toBe(true)
      expect(headers.get('content-type')).toBe('application/octet-stream')
      expect(headers.get('content-disposition')).toMatch(/^attachment/)
      expect(headers.get('x-evil')).toBeNull()
    }
    await strange.close()
  })
  it.each([
    ['a text', { conversation: 'hello' }],
    ['an image without an address', { imageMessage: { mimetype: 'image/jpeg' } }],
  ])('has nothing of %s', async (_, message) => {
    const { status, bytes } = await download(bot, `/messages/${await receive(message)}/media`)
    expect(status).toBe(404)
    expect(JSON.parse(bytes.toString()).error.message).toBe('Media not found.')
  })
  it.each([
    ['http://10.0.0.1/a.jpg', notAllowed('10.0.0.1')],
    ['not a URL', 'not a valid URL'],
  ])('fetches nothing from %s', async (url, reason) => {
    const uuid = await receive({ imageMessage: { ...image, url } })
    const { status, bytes } = await storingNothing(app, () => download(bot, `/messages/${uuid}/media`))
    expect(status).toBe(422)
    expect(JSON.parse(bytes.toString()).error).toMatchObject({
      code: 'MEDIA_UNAVAILABLE',
      details: { reason },
    })
  })
  it('has nothing of an upload that was deleted', async () => {
    const media_id = await uploadedId()
    const { body } = await send({ media_id })
    await bot.delete(`/media/${media_id}`)
    expect((await download(bot, `/messages/${body.message_uuid}/media`)).status).toBe(404)
  })
})

describe('when a conversation is deleted', () => {
  const mediaIdOf = async (uuid: string) => {
    const row = await app.db
      .selectFrom('message')
      .select('media_id')
      .where('id', '=', uuid)
      .executeTakeFirst()
    return row?.media_id ?? ''
  }
  const deleteConversation = (chat: string) => {
    const { transact } = createTransact(app.store)
    const context = { tenant: firstTenantId, actor: { kind: 'system' }, correlation: 'test' } as const
    return transact(Conversation, conversationId(instance, chat), remove(new Date().toISOString()), context)
  }

  it('its files go with it; uploads, other files and those of later messages stay', async () => {
    const media_id = await uploadedId()
    const sent = async (recipient: string) => {
      const { body } = await send({ recipient, media_url: at('a.jpg') })
      await eventually(async () => expect(await mediaIdOf(body.message_uuid)).not.toBe(''))
      return mediaIdOf(body.message_uuid)
    }
    const own = [await sent(TO), await sent(TO)]
    const other = await sent('5511988888888')
    await send({ media_id })
    await deleteConversation(`${TO}@s.whatsapp.net`)
    await eventually(async () => {
      for (const id of own) expect(await isKept(id)).toBe(false)
    })
    const later = await sent(TO)
    for (const id of own) expect((await app.admin.get(`/media/${id}`)).status).toBe(404)
    for (const id of [other, later]) expect(await isKept(id)).toBe(true)
    expect((await bot.get(`/media/${media_id}`)).status).toBe(200)
  })
})

describe('when a message is taken back', () => {
  it('its file goes with it, an upload that was sent stays', async () => {
    const media_id = await uploadedId()
    const { body: own } = await send({ recipient: TO, media_url: at('a.jpg') })
    const { body: uploaded } = await send({ recipient: TO, media_id })
    const fileOf = async (uuid: string) =>
      (await app.db.selectFrom('media').select('id').where('message_id', '=', uuid).executeTakeFirst())?.id ??
      ''
    await eventually(async () => expect(await fileOf(own.message_uuid)).not.toBe(''))
    const file = await fileOf(own.message_uuid)
    for (const { message_uuid } of [own, uploaded])
      expect((await app.admin.delete(`/chat/messages/${message_uuid}`)).status).toBe(200)
    await eventually(async () => expect(await isKept(file)).toBe(false))
    expect((await app.admin.get(`/media/${media_id}`)).status).toBe(200)
  })
})
