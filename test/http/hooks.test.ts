import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createClient, incomingPayload, type Json } from '../support/client.ts'
import { isoSecondsText, storingNothing, untilSessionsAreOpen, uuidText, type App } from './world.ts'

let app: App
let instance: string
let secret: string
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())
beforeEach(async () => {
  const { body } = await app.admin.post('/instances', { name: 'hooked' })
  instance = body.data.instance.uuid
  secret = body.data.hook_secret
  await untilSessionsAreOpen(app)
  await app.admin.post(`/webhooks/instance/${instance}/connection`, {
    status: 'connected',
    phone_number: '5511977777777',
  })
})

const hook = (name: string, body: object, prefix = '') =>
  app.admin.post(`${prefix}/webhooks/instance/${instance}/${name}`, body)
const messages = async (): Promise<Json[]> => {
  const { body } = await app.admin.get(`/conversations?instance_id=${instance}`)
  const lists = await Promise.all(
    body.data.map(
      async ({ id }: Json) => (await app.admin.get(`/conversations/${id}/messages`)).body.data.messages,
    ),
  )
  return lists.flat()
}
const message = async (id: string): Promise<Json> =>
  (await messages()).find(({ whatsapp_message_id }: Json) => whatsapp_message_id === id)

describe('who may post', () => {
  const signed = (body: string, signature: string | undefined, of = instance) =>
    createClient(app.url).call('POST', `/webhooks/instance/${of}/incoming`, body, {
      'content-type': 'application/json',
      ...(signature !== undefined && { 'x-webhook-signature': signature }),
    })
  const sign = (body: string, key: string) => createHmac('sha256', key).update(body).digest('hex')
  const body = `${JSON.stringify(incomingPayload('S1'), undefined, 3)}\n`

  it('whoever signs the very bytes of the body with the instance’s secret', async () => {
    expect((await signed(body, sign(body, secret))).status).toBe(200)
    const number = (await app.admin.get(`/instances/${instance}`)).body.data.id
    expect((await signed(body, sign(body, secret), String(number))).status).toBe(200)
    const [stored] = (await messages()).map(({ unique_id }: Json) => unique_id)
    const [event] = await app.store.readStream(`message-${stored}`)
    expect(event?.meta.actor).toEqual({ kind: 'gateway' })
  })
  it('nobody else: no signature, a wrong one, another body’s, another instance’s', async () => {
    const other = await app.admin.post('/instances', { name: 'other' })
    const wrong = [
      undefined,
      '',
      'x',
      sign(body, 'guess'),
      sign(body.trim(), secret),
      sign(body, other.body.data.hook_secret),
      sign(body, secret).slice(1),
    ]
    await storingNothing(app, async () => {
      for (const signature of wrong) {
        const answer = await signed(body, signature)
        expect(answer.status).toBe(401)
        expect(answer.body.error.code).toBe('UNAUTHENTICATED')
      }
      const elsewhere = await signed(body, sign(body, secret), other.body.data.instance.uuid)
      expect(elsewhere.status).toBe(401)
    })
  })
})

describe('incoming', () => {
  it.each(['', '/api/v1'])('at %s takes the payload of the reference', async (prefix) => {
    const payload = {
      remoteJid: '5511999999999@s.whatsapp.net',
      message: {
        conversation: 'Hello, how are you?',
        extendedTextMessage: null,
        imageMessage: null,
        videoMessage: null,
        audioMessage: null,
        documentMessage: null,
      },
      messageTimestamp: 1705312200,
      pushName: 'John Doe',
      key: { remoteJid: '5511999999999@s.whatsapp.net', fromMe: false, id: '3EB0ABC123456789' },
      participant: null,
      isGroup: false,
    }
    const { status, body } = await hook('incoming', payload, prefix)
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      message: 'Message received',
      data: { message_id: uuidText, whatsapp_message_id: '3EB0ABC123456789' },
    })
    expect(await messages()).toEqual([
      {
        id: expect.any(Number),
        unique_id: body.data.message_id,
        whatsapp_message_id: '3EB0ABC123456789',
        direction: 'incoming',
        is_from_me: false,
        message_body: 'Hello, how are you?',
        media_type: null,
        media_url: null,
        media_missing: null,
        mime_type: null,
        filename: null,
        location: null,
        contacts: null,
        poll: null,
        other: null,
        sender_number: '5511999999999',
        sender_name: 'John Doe',
        reply_to: null,
        mentioned_jids: [],
        reactions: [],
        status: 'received',
        error: null,
        imported: false,
        edited_at: null,
        deleted_at: null,
        created_at: '2024-01-15T09:50:00Z',
      },
    ])
    const again = await storingNothing(app, () => hook('incoming', payload, prefix))
    expect(again.body).toEqual(body)
  })

  const contextInfo = { stanzaId: 'QUOTED', mentionedJid: ['5511966666666@s.whatsapp.net'] }
  const quoting = { reply_to: 'QUOTED', mentioned_jids: contextInfo.mentionedJid }
  const file = { url: 'https://mmg.example/f', mimetype: 'x/y', contextInfo }
  const stored = { media_url: 'https://mmg.example/f', mime_type: 'x/y', ...quoting }
  it.each([
    ['conversation', { conversation: 'plain' }, { message_body: 'plain', media_type: null }],
    ['empty text', { conversation: '' }, { message_body: '', media_type: null }],
    ['text', { extendedTextMessage: { text: 'link', contextInfo } }, { message_body: 'link', ...quoting }],
    [
      'image',
      { imageMessage: { ...file, caption: 'see' } },
      { ...stored, media_type: 'image', message_body: 'see' },
    ],
    ['image beside an empty text', { conversation: '', imageMessage: {} }, { media_type: 'image' }],
    ['video', { videoMessage: { ...file, caption: 'see' } }, { ...stored, media_type: 'video' }],
    ['audio', { audioMessage: file }, { ...stored, media_type: 'audio', message_body: null }],
    [
      'document',
      { documentMessage: { ...file, fileName: 'a.pdf' } },
      { ...stored, media_type: 'document', filename: 'a.pdf' },
    ],
    ['sticker', { stickerMessage: file }, { ...stored, media_type: 'sticker' }],
    [
      'place',
      {
        locationMessage: {
          degreesLatitude: -23.5,
          degreesLongitude: -46.6,
          name: 'Home',
          address: null,
          contextInfo: { stanzaId: 'QUOTED' },
        },
      },
      {
        message_body: 'Home',
        media_type: null,
        reply_to: 'QUOTED',
        location: { latitude: -23.5, longitude: -46.6, name: 'Home', address: null },
      },
    ],
    [
      'contact',
      { contactMessage: { displayName: 'Bob', vcard: 'BEGIN:VCARD' } },
      { message_body: 'Bob', contacts: [{ display_name: 'Bob', vcard: 'BEGIN:VCARD' }] },
    ],
    [
      'contacts',
      {
        contactsArrayMessage: {
          contacts: [
            { displayName: 'Ann', vcard: 'A' },
            { displayName: 'Bob', vcard: 'B' },
          ],
        },
      },
      { message_body: 'Ann, Bob', contacts: [{ display_name: 'Ann' }, { display_name: 'Bob' }] },
    ],
    [
      'poll',
      {
        messageContextInfo: {},
        pollCreationMessageV3: {
          name: 'When?',
          options: [{ optionName: 'Now' }, { optionName: 'Never' }],
          selectableOptionsCount: 1,
        },
      },
      { message_body: 'When?', poll: { question: 'When?', options: ['Now', 'Never'], selectable: 1 } },
    ],
    [
      'disappearing text',
      { ephemeralMessage: { message: { extendedTextMessage: { text: 'gone', contextInfo } } } },
      { message_body: 'gone', ...quoting },
    ],
    [
      'image to be seen once',
      { viewOnceMessageV2: { message: { imageMessage: { ...file, caption: 'see' } } } },
      { ...stored, media_type: 'image', message_body: 'see' },
    ],
    [
      'document with a caption',
      { documentWithCaptionMessage: { message: { documentMessage: { ...file, caption: 'see' } } } },
      { ...stored, media_type: 'document', message_body: 'see' },
    ],
  ])('keeps the content of a message of kind %s', async (_kind, content, expected) => {
    expect((await hook('incoming', { ...incomingPayload('K1'), message: content })).status).toBe(200)
    expect(await message('K1')).toMatchObject(expected)
  })
  it('keeps a kind that it does not know, by its name', async () => {
    const content = { messageContextInfo: {}, locationMessage: { degreesLatitude: -23.5 } }
    const { status, body } = await hook('incoming', { ...incomingPayload('U1'), message: content })
    expect(status).toBe(200)
    expect(await message('U1')).toMatchObject({
      ...{ message_body: null, media_type: null, other: 'locationMessage' },
    })
    const [event] = await app.store.readStream(`message-${body.data.message_id}`)
    expect(event?.data).toMatchObject({ content: { kind: 'other', description: 'locationMessage' } })
  })
  it('takes what was typed on the phone as sent, by the phone', async () => {
    const payload = incomingPayload('P1', '5511911111111')
    await hook('incoming', { ...payload, key: { ...payload.key, fromMe: true } })
    expect(await message('P1')).toMatchObject({
      direction: 'outgoing',
      is_from_me: true,
      status: 'sent',
      sender_number: '5511977777777',
    })
    const { body } = await app.admin.get(`/conversations?instance_id=${instance}`)
    expect(body.data).toMatchObject([
      { contact_number: '5511911111111', contact_name: null, unread_count: 0 },
    ])
  })
  it('keeps a group apart from its members', async () => {
    const remoteJid = '120363041234567890@g.us'
    await hook('incoming', {
      ...incomingPayload('G1'),
      remoteJid,
      key: { remoteJid, fromMe: false, id: 'G1', participant: '5511922222222:7@s.whatsapp.net' },
      groupName: 'Family',
      isGroup: true,
    })
    expect(await message('G1')).toMatchObject({ sender_number: '5511922222222' })
    const { body } = await app.admin.get(`/conversations?instance_id=${instance}`)
    expect(body.data).toMatchObject([
      { is_group: true, display_name: 'Family', contact_number: '120363041234567890' },
    ])
  })
})

describe('qr and connection', () => {
  const shown = async () => (await app.admin.get(`/instances/${instance}`)).body.data
  it('a code that is told is shown, with its time', async () => {
    const told = { qr: '2@ABC123...', qr_image: '...', generated_at: '2025-01-15T10:30:00Z' }
    expect(await hook('qr', told)).toMatchObject({ status: 200, body: { success: true } })
    expect((await app.admin.get(`/instances/${instance}/qr`)).body.data).toMatchObject({
      status: 'qr_ready',
      qr_code_text: '2@ABC123...',
      qr_generated_at: '2025-01-15T10:30:00Z',
      qr_code: expect.stringMatching(/^data:image\/png/),
    })
    await storingNothing(app, () => hook('qr', told))
  })
  it('a connection that is told is shown, and told again changes nothing', async () => {
    const timestamp = '2025-01-15T10:30:00Z'
    for (const status of ['disconnected', 'offline', 'connected'] as const) {
      const told = { status, timestamp, ...(status === 'connected' && { phone_number: '+55 11 98888-8888' }) }
      expect((await hook('connection', told)).status).toBe(200)
      expect(await shown()).toMatchObject({ status, connected: status === 'connected' })
      await storingNothing(app, () => hook('connection', told))
    }
    expect((await shown()).phone_number).toBe('5511988888888')
  })
  it('a connection without a number is refused', async () => {
    for (const told of [{ status: 'connected' }, { status: 'connected', phone_number: 'unknown' }]) {
      const { status, body } = await storingNothing(app, () => hook('connection', told))
      expect(status).toBe(422)
      expect(Object.keys(body.error.details)).toEqual(['phone_number'])
    }
  })
})

describe('a protocolMessage', () => {
  const about = (id: string, protocolMessage: object) => ({
    ...incomingPayload(`about ${id}`),
    message: { protocolMessage: { key: { id }, ...protocolMessage } },
  })
  const shown = async (id: string) => (await messages()).find((one: Json) => one.whatsapp_message_id === id)
  const tell = (body: object) => app.admin.post(`/webhooks/instance/${instance}/incoming`, body)

  it('edits the message that it names', async () => {
    await tell(incomingPayload('EDITED'))
    const edit = { type: 'MESSAGE_EDIT', editedMessage: { conversation: 'what I meant' } }
    const { status, body } = await tell(about('EDITED', edit))
    expect(status).toBe(200)
    expect(body.data.whatsapp_message_id).toBe('EDITED')
    expect(await shown('EDITED')).toMatchObject({ message_body: 'what I meant', edited_at: isoSecondsText })
  })
  it('takes the message back, and nothing of it is left', async () => {
    await tell(incomingPayload('REVOKED'))
    await tell(about('REVOKED', { type: 0 }))
    expect(await shown('REVOKED')).toMatchObject({ message_body: null, deleted_at: isoSecondsText })
  })
  it('about a message that is not known changes nothing', async () => {
    const { status } = await storingNothing(app, () => tell(about('UNKNOWN', { type: 'REVOKE' })))
    expect(status).toBe(200)
  })
  it('that edits without a text is refused', async () => {
    const { status, body } = await tell(about('EDITED', { type: 14 }))
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual(['message.protocolMessage.editedMessage'])
  })
})
