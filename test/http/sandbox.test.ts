import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sandboxGateway } from '../../src/adapters/sandbox/gateway.ts'
import { notFound } from '../../src/domain/errors.ts'
import { openapi } from '../../src/http/openapi.ts'
import { sandboxRoutes } from '../../src/http/routes/sandbox.ts'
import { recordingListener, sessionOf, textMessage } from '../contracts/gateway.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance } from '../support/client.ts'
import { startSandboxDatabase } from '../support/sandbox.ts'
import { startToys } from './support.ts'

let database: Awaited<ReturnType<typeof startSandboxDatabase>>
let server: Awaited<ReturnType<typeof startToys>>
let sandbox: ReturnType<typeof sandboxGateway>
const own = new Set<string>()

const routes = () =>
  sandboxRoutes({
    sandbox,
    resolveInstance: async (_caller, id) => {
      if (!own.has(id)) throw notFound('Instance')
      return { id }
    },
  })

beforeAll(async () => {
  database = await startSandboxDatabase()
  sandbox = sandboxGateway(database.pool, () => undefined)
  server = await startToys({ routes: routes() })
}, 60_000)
afterAll(async () => {
  await server.stop()
  await database.stop()
})

type Body = {
  readonly success: boolean
  readonly data: { readonly message_id?: string; readonly messages?: readonly unknown[] }
}
const opened = async () => {
  const [id, told] = [randomUUID(), recordingListener()]
  own.add(id)
  await sandbox.open(sessionOf(id), told.listener)
  const at = (action: string) => `/sandbox/instances/${id}/${action}`
  const answer = async (response: Response) => {
    const body: Body = JSON.parse(await response.text())
    return { status: response.status, ...body }
  }
  return {
    id,
    ...told,
    get: async (action: string) => answer(await server.get(at(action))),
    post: async (action: string, body: unknown, token?: string) =>
      answer(await server.post(at(action), body, token)),
  }
}
const connected = async () => {
  const phone = await opened()
  await phone.post('scan', { phone_number: '+55 11 91234-5678', name: 'Support' })
  return phone
}

describe('the sandbox by REST', () => {
  it('scan connects the instance, once', async () => {
    const { post, connections } = await opened()
    expect(await post('scan', { phone_number: '+55 11 91234-5678' })).toEqual({
      status: 200,
      success: true,
      data: { status: 'connected', phone_number: '5511912345678', profile_name: null },
    })
    expect(connections.at(-1)).toMatchObject({ status: 'connected', phoneNumber: '5511912345678' })
    expect(await post('scan', {})).toMatchObject({ status: 409, error: { code: 'CONFLICT' } })
  })
  it('incoming tells a text with whom it is from, what it answers and whom it names', async () => {
    const { post, messages } = await connected()
    const answered = await post('incoming', {
      from: '5511988887777',
      name: 'Maria',
      text: 'Hello @5511977776666',
      group: { id: '120363041234567890', name: 'Family' },
      mentions: ['+5511977776666'],
      reply_to: '3A01',
      at: '2025-01-15T07:30:00-03:00',
    })
    expect(answered).toMatchObject({ status: 200, success: true })
    expect(messages).toEqual([
      {
        whatsappId: answered.data.message_id,
        chat: '120363041234567890@g.us',
        chatName: 'Family',
        sender: '5511988887777@s.whatsapp.net',
        senderName: 'Maria',
        fromMe: false,
        content: {
          kind: 'text',
          text: 'Hello @5511977776666',
          replyTo: '3A01',
          mentions: ['5511977776666@s.whatsapp.net'],
        },
        at: '2025-01-15T10:30:00.000Z',
      },
    ])
  })
  it('incoming tells media, and takes the id it is given', async () => {
    const { post, messages } = await connected()
    const media = { media_type: 'image', media_url: 'https://example.com/a.jpg', mime_type: 'image/jpeg' }
    const body = { from: '5511988887777', ...media, text: 'Look', message_id: 'MINE' }
    expect(await post('incoming', body)).toMatchObject({ data: { message_id: 'MINE' } })
    const [url, mimeType] = [media.media_url, media.mime_type]
    expect(messages).toMatchObject([{ content: { kind: 'image', url, mimeType, caption: 'Look' } }])
  })
  it.each([
    [{ location: { latitude: 1, longitude: 2, name: 'Home' } }, { kind: 'location', name: 'Home' }],
    [
      { contacts: [{ name: 'Bob', phone_number: '5511966665555' }] },
      {
        kind: 'contact',
        contacts: [{ displayName: 'Bob', vcard: expect.stringContaining('waid=5511966665555') }],
      },
    ],
    [
      { poll: { question: 'When?', options: ['Now', 'Never'] } },
      { kind: 'poll', question: 'When?', options: ['Now', 'Never'], selectable: 1 },
    ],
  ])('incoming tells %j', async (body, content) => {
    const { post, messages } = await connected()
    await post('incoming', { from: '5511988887777', ...body, reply_to: '3A01' })
    expect(messages).toMatchObject([{ content: { ...content, replyTo: '3A01' } }])
  })
  it.each([
    [{ text: 'Nobody' }, 'from'],
    [{ from: '5511988887777' }, 'text'],
    [{ from: '5511988887777', media_url: 'https://example.com/a.jpg' }, 'media_type'],
    [{ from: '5511988887777', text: 'x', media_type: 'hologram' }, 'media_type'],
    [{ from: '5511988887777', text: 'x', mentions: ['Maria'] }, 'mentions'],
    [{ from: '5511988887777', text: 'x', at: 'yesterday' }, 'at'],
    [{ from: 'Maria', text: 'x' }, 'from'],
  ])('incoming %j is refused by the name of %s', async (body, field) => {
    const { post, messages } = await connected()
    expect(await post('incoming', body)).toMatchObject({
      status: 422,
      error: { code: 'VALIDATION_FAILED', details: { [field]: expect.any(Array) } },
    })
    expect(messages).toEqual([])
  })
  it('the outbox shows what was sent, and receipts and reactions about it are told', async () => {
    const { id, get, post, receipts, reactions } = await connected()
    const text = textMessage(id, 'Good morning!')
    const image = {
      ...textMessage(id, ''),
      chat: '120363041234567890@g.us',
      content: { kind: 'image', url: 'https://example.com/a.jpg', caption: 'Look', replyTo: '3A01' },
    } as const
    const reaction = {
      ...textMessage(id, ''),
      content: { kind: 'reaction', targetWhatsappId: '3A01', emoji: '👍' },
    } as const
    for (const message of [text, text, image, reaction]) await sandbox.send(message)
    const nothing = { text: null, caption: null, filename: null, reply_to: null }
    const { data } = await get('outbox')
    expect(data.messages).toMatchObject([
      {
        ...nothing,
        message_id: text.whatsappId,
        to: '5511988887777',
        kind: 'text',
        text: 'Good morning!',
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        times_received: 2,
      },
      { ...nothing, to: '120363041234567890@g.us', kind: 'image', caption: 'Look', reply_to: '3A01' },
      { ...nothing, kind: 'reaction', text: '👍', reacted_to: '3A01' },
    ])
    expect((await get(`outbox?limit=1&after=${text.whatsappId}`)).data.messages).toEqual([data.messages?.[1]])

    const about = { message_id: text.whatsappId }
    expect(await post('receipts', { ...about, status: 'read' })).toMatchObject({
      status: 200,
      data: { ...about, status: 'read' },
    })
    expect(receipts).toMatchObject([{ whatsappId: text.whatsappId, status: 'read' }])
    expect(await post('receipts', { message_id: 'nothing', status: 'read' })).toMatchObject({ status: 404 })
    await post('reactions', { ...about, from: '5511988887777', emoji: '❤️' })
    expect(reactions).toMatchObject([{ targetWhatsappId: text.whatsappId, emoji: '❤️', fromMe: false }])
  })
  it('failures are scripted, and the network is lost and found', async () => {
    const { id, post, get, connections } = await connected()
    expect(await post('failures', { outcome: 'refuse', reason: 'Not on WhatsApp' })).toMatchObject({
      status: 200,
      data: { outcome: 'refuse', times: 1 },
    })
    expect(await sandbox.send(textMessage(id, 'a'))).toEqual({ kind: 'refused', reason: 'Not on WhatsApp' })
    expect((await get('outbox')).data.messages).toEqual([])
    expect(await post('failures', { outcome: 'explode' })).toMatchObject({ status: 422 })

    expect(await post('disconnect', { reason: 'airplane mode' })).toMatchObject({
      data: { status: 'offline' },
    })
    const incoming = { from: '5511988887777', text: 'x' }
    expect(await post('incoming', incoming)).toMatchObject({
      status: 409,
      error: { code: 'INSTANCE_NOT_CONNECTED' },
    })
    expect(await post('connect', {})).toMatchObject({ data: { status: 'connected' } })
    expect(connections.slice(-2)).toMatchObject([
      { status: 'offline', reason: 'airplane mode' },
      { status: 'connected' },
    ])
    expect(await post('incoming', incoming)).toMatchObject({ status: 200 })
  })
  it('needs the permission and an instance of the caller', async () => {
    const { id, post } = await connected()
    expect(await post('scan', {}, 'viewer')).toMatchObject({ status: 403 })
    own.delete(id)
    for (const action of ['scan', 'connect', 'disconnect'])
      expect(await post(action, {})).toMatchObject({ status: 404, error: { message: 'Instance not found.' } })
  })
  it('is in the documentation, path by path', () => {
    const actions = [
      'scan',
      'incoming',
      'receipts',
      'reactions',
      'outbox',
      'failures',
      'disconnect',
      'connect',
    ]
    expect(openapi(routes(), { version: '1' })).toMatchObject({
      paths: Object.fromEntries(actions.map((action) => [`/sandbox/instances/{id}/${action}`, {}])),
    })
  })
})

describe('the sandbox in the whole program', () => {
  it('is read back as soon as it answers: instance, message, receipt, reaction', async () => {
    const app = await startApp()
    try {
      const instance = await createConnectedInstance(app.admin)
      const phone = (action: string, body: object) =>
        app.admin.post(`/sandbox/instances/${instance}/${action}`, body)
      const conversation = async () => (await app.admin.get('/conversations')).body.data[0]
      const messages = async () =>
        (await app.admin.get(`/conversations/${(await conversation()).id}/messages`)).body.data.messages
      expect((await app.admin.get('/status')).body.status).toBe('connected')
      await phone('incoming', { from: '5511988887777', name: 'Maria', text: 'Good morning!' })
      expect(await conversation()).toMatchObject({ display_name: 'Maria', last_message: 'Good morning!' })
      const sent = await app.admin.post('/send-message', { to: '5511988887777', message: 'Hi' })
      const { message_id } = sent.body
      await phone('receipts', { message_id, status: 'read' })
      await phone('reactions', { from: '5511988887777', message_id, emoji: '👍' })
      expect((await messages())[1]).toMatchObject({ status: 'read', reactions: [{ emoji: '👍' }] })
    } finally {
      await app.stop()
    }
  })
})
