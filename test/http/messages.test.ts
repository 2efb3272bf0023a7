import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Client, type Json } from '../support/client.ts'
import { startFileServer, tinyFiles } from '../support/files.ts'
import { instanceClient, storingNothing, uuidText, type App } from './world.ts'

let app: App
let instance: string
let bot: Client
let files: Awaited<ReturnType<typeof startFileServer>>
beforeAll(async () => {
  app = await startApp()
  files = await startFileServer({ ...tinyFiles, 'image.jpg': tinyFiles['a.jpg'] ?? Buffer.alloc(0) })
  instance = await createConnectedInstance(app.admin)
  bot = await instanceClient(app.admin, instance)
})
afterAll(async () => {
  await app.stop()
  await files.close()
})

const outbox = async (): Promise<Json[]> =>
  (await bot.get(`/sandbox/instances/${instance}/outbox`)).body.data.messages
const inOutbox = async (id: string): Promise<Json> =>
  (await outbox()).find(({ message_id }: Json) => message_id === id)

const sent = (what: string) => ({
  success: true,
  message: `${what} sent successfully`,
  message_id: expect.stringMatching(/^3EB0[0-9A-F]{18}$/),
  message_uuid: uuidText,
  timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  status: 'sent',
})
const text = 'Olá! Esta é uma mensagem de teste.'
const image = () => ({
  media_url: `${files.url}/image.jpg`,
  media_type: 'image',
  caption: 'Confira esta imagem!',
})

describe('POST /send-message', () => {
  it.each(['', '/api/v1'])('at %s/send-message sends and answers as the reference shows', async (prefix) => {
    const { status, body } = await bot.post(`${prefix}/send-message`, {
      recipient: '5511999999999',
      message: text,
    })
    expect(status).toBe(200)
    expect(body).toEqual(sent('Message'))
    expect(await inOutbox(body.message_id)).toMatchObject({
      to: '5511999999999',
      kind: 'text',
      text,
      reply_to: null,
      times_received: 1,
    })
  })
  it.each([
    ['recipient', '5511999999999'],
    ['number', '+55 (11) 99999-9999'],
    ['to', '5511999999999@s.whatsapp.net'],
    ['to', '5511999999999:12@s.whatsapp.net'],
  ])('takes the recipient as %s %s', async (name, value) => {
    const { body } = await bot.post('/send-message', { [name]: value, message: 'x' })
    expect(await inOutbox(body.message_id)).toMatchObject({ to: '5511999999999' })
  })
  it('takes a group', async () => {
    const { body } = await bot.post('/send-message', { to: '120363041234567890@g.us', message: 'all' })
    expect(await inOutbox(body.message_id)).toMatchObject({ to: '120363041234567890@g.us' })
  })
  it.each(['reply_to', 'quoted_message_id'])(
    'answers another message with %s, by either id',
    async (name) => {
      const received = await bot.post(
        `/webhooks/instance/${instance}/incoming`,
        incomingPayload(`Q-${name}`, '5511900000001'),
      )
      for (const id of [received.body.data.message_id, received.body.data.whatsapp_message_id]) {
        const { body } = await bot.post('/send-message', { to: '5511900000001', message: 'yes', [name]: id })
        expect(await inOutbox(body.message_id)).toMatchObject({ reply_to: `Q-${name}` })
      }
    },
  )
  it.each(['0190d0a0-0000-7000-8000-00000000000a', '3A0NOBODY'])(
    'cannot answer %s, which is no message of the instance',
    async (reply_to) => {
      const send = () => bot.post('/send-message', { to: '5511900000001', message: 'x', reply_to })
      const { status, body } = await storingNothing(app, send)
      expect(status).toBe(422)
      expect(body.error.details).toEqual({ reply_to: ['is not a message of this instance'] })
    },
  )
  it('leaves every character of the text as it is', async () => {
    const message = ' *bold*\n\t"quotes" \\ 👩‍👩‍👧 ção \u202eright to left '
    const { body } = await bot.post('/send-message', { to: '5511999999999', message })
    expect((await inOutbox(body.message_id)).text).toBe(message)
  })
  it('is in the conversation as soon as it is answered', async () => {
    const { body } = await bot.post('/send-message', { to: '5511900000002', message: 'read me' })
    const { body: list } = await bot.get('/conversations?search=5511900000002')
    expect(list.data).toMatchObject([{ last_message: 'read me', unread_count: 0 }])
    const { body: history } = await bot.get(`/conversations/${list.data[0].id}/messages`)
    expect(history.data.messages).toMatchObject([
      { whatsapp_message_id: body.message_id, unique_id: body.message_uuid, status: 'sent' },
    ])
  })
})

describe('POST /send-media', () => {
  it.each(['', '/api/v1'])('at %s/send-media sends and answers as the reference shows', async (prefix) => {
    const { status, body } = await bot.post(`${prefix}/send-media`, {
      recipient: '5511999999999',
      ...image(),
    })
    expect(status).toBe(200)
    expect(body).toEqual(sent('Media'))
    expect(await inOutbox(body.message_id)).toMatchObject({
      to: '5511999999999',
      kind: 'image',
      media_url: image().media_url,
      caption: image().caption,
    })
  })
  it.each([
    ['image', 'a.png'],
    ['video', 'a.mp4'],
    ['audio', 'a.ogg'],
    ['document', 'a.pdf'],
  ])('sends %s under the other names too', async (kind, name) => {
    const quoted = await bot.post('/send-message', { to: '5511999999999', message: 'Here it comes' })
    const { body } = await bot.post('/send-media', {
      number: '5511999999999',
      url: `${files.url}/${name}`,
      type: kind,
      filename: 'Monthly_Report.pdf',
      quoted_message_id: quoted.body.message_id,
    })
    expect(await inOutbox(body.message_id)).toMatchObject({
      kind,
      media_url: `${files.url}/${name}`,
      filename: 'Monthly_Report.pdf',
      reply_to: quoted.body.message_id,
    })
  })
  it.each([
    ['ftp://example.com/a.jpg'],
    ['file:///etc/passwd'],
    ['no url'],
    ['http://169.254.169.254/latest/meta-data'],
    ['http://[::1]/a.jpg'],
    ['http://10.0.0.1/a.jpg'],
  ])('refuses the address %s by the name of its field', async (media_url) => {
    const send = () => bot.post('/send-media', { to: '5511999999999', ...image(), media_url })
    const { status, body } = await storingNothing(app, send)
    expect(status).toBe(422)
    expect(body.error.details).toEqual({ media_url: [expect.any(String)] })
  })
})

describe('POST /send-reaction', () => {
  const reactionsOn = async (whatsappId: string, from: string): Promise<Json[]> => {
    const { body } = await bot.get(`/conversations?search=${from}`)
    const history = await bot.get(`/conversations/${body.data[0].id}/messages`)
    return history.body.data.messages.find((one: Json) => one.whatsapp_message_id === whatsappId).reactions
  }
  it('reacts as the reference shows, shows it on the message, and takes it back', async () => {
    const from = '5511900000003'
    await bot.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('R1', from))
    const reaction = { to: `${from}@s.whatsapp.net`, messageId: 'R1', emoji: '👍' }
    const { status, body } = await bot.post('/send-reaction', reaction)
    expect(status).toBe(200)
    expect(body).toEqual(sent('Reaction'))
    expect(await inOutbox(body.message_id)).toMatchObject({
      to: from,
      kind: 'reaction',
      text: '👍',
      reacted_to: 'R1',
    })
    const phone = (await bot.get('/status')).body.phone
    expect(await reactionsOn('R1', from)).toEqual([
      { emoji: '👍', sender_number: phone, sender_name: null, from_me: true },
    ])
    await bot.post('/send-reaction', { ...reaction, emoji: '❤️' })
    expect(await reactionsOn('R1', from)).toMatchObject([{ emoji: '❤️' }])
    expect((await bot.post('/send-reaction', { ...reaction, emoji: '' })).status).toBe(200)
    expect(await reactionsOn('R1', from)).toEqual([])
  })
  it('takes the other names, and the message by its UUID', async () => {
    const from = '5511900000004'
    const { body } = await bot.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('R2', from))
    const message_id = body.data.message_id
    expect((await bot.post('/send-reaction', { number: from, message_id, emoji: '🎉' })).status).toBe(200)
    expect(await reactionsOn('R2', from)).toMatchObject([{ emoji: '🎉', from_me: true }])
  })
})
