import { expect, vi } from 'vitest'
import { firstTenantId } from '../../src/domain/ids.ts'
import { startApp } from '../support/app.ts'
import { createClient, createConnectedInstance, type Client, type Json } from '../support/client.ts'
import { startReceiver } from '../support/receiver.ts'
import { jpeg, pdf, startFileServer } from '../support/files.ts'

/** The user of the document's login example, and the one who acts in its other examples. */
export const LOGIN = { email: 'user@example.com', password: 'your_password' }
const JOHN = { email: 'john@example.com', password: 'a password for tests' }
/** When the conversations of single examples began: before those that the lists show. */
const LONG_AGO = '2025-01-15T10:30:00Z'
const CAUGHT_UP_MS = 10_000

/** The application with everything that the document's examples speak of. */
export const prepareWorld = async () => {
  const [app, files, receiver] = await Promise.all([
    startApp(),
    startFileServer({ 'image.jpg': jpeg, 'report.pdf': pdf }),
    startReceiver(),
  ])
  await addUser(app, { ...LOGIN, name: 'User Name' })
  await addUser(app, { ...JOHN, name: 'John Doe' })
  const userToken = await tokenOf(app.url, JOHN)
  const user = createClient(app.url, userToken)

  const must = async (...[method, path, body]: Parameters<Client['call']>): Promise<Json> => {
    const answer = await user.call(method, path, body)
    if (answer.status >= 300)
      throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const phone = (instance: string, action: string, body: object = {}): Promise<Json> =>
    must('POST', `/sandbox/instances/${instance}/${action}`, body)

  const pairing = async (name: string): Promise<string> => {
    const id: string = (await must('POST', '/instances', { name, provider: 'sandbox' })).data.instance.uuid
    await vi.waitFor(async () => {
      expect((await must('GET', `/instances/${id}/qr`)).data.status).toBe('qr_ready')
    }, 10_000)
    return id
  }
  const connect = async (name: string, phone_number: string): Promise<string> => {
    const id = await pairing(name)
    await phone(id, 'scan', { phone_number, name })
    return id
  }
  const instanceToken = async (instance: string): Promise<string> =>
    (await must('POST', `/instances/${instance}/tokens`, { name: 'reference' })).data.token

  // The first instance sends; the conversations that lists show are at the office; each of the others is for one thing.
  const [first, waiting, office, team, carlos, bot] = await Promise.all([
    connect('Meu WhatsApp', '5511999999999'),
    pairing('Waiting'),
    connect('Office', '5511988887777'),
    connect('Team', '5511987654321'),
    connect('Carlos', '5521988887777'),
    connect('Bot', '5511900000009'),
  ])
  const number = String((await must('GET', `/instances/${first}`)).data.id)
  await must('PATCH', `/instances/${first}`, { daily_limit: 500 })

  /** Who calls, and the token that this takes. A fresh login can be lost. */
  const tokens = {
    nobody: async () => undefined,
    user: async () => userToken,
    'fresh login': () => tokenOf(app.url, LOGIN),
    'first instance': keep(() => instanceToken(first)),
    'waiting instance': keep(() => instanceToken(waiting)),
  }

  const conversationOf = async (instance: string, search: string): Promise<string> =>
    (await must('GET', `/conversations?instance_id=${instance}&search=${search}`)).data[0].id

  let strangers = 0
  /** A new conversation with one message; by default at the office. */
  const converse = async ({ instance = office, text = 'Hello!' } = {}) => {
    const from = `5521900${String(++strangers).padStart(6, '0')}`
    const { data } = await phone(instance, 'incoming', { from, name: 'Maria', text, at: LONG_AGO })
    return { id: await conversationOf(instance, from), from, messageId: String(data.message_id) }
  }
  await must('POST', `/instances/${bot}/automations`, {
    name: 'Answers nobody',
    kind: 'flow',
    enabled: true,
    definition: {
      trigger: { type: 'keyword', words: ['never said'], match: 'whole' },
      steps: [{ type: 'reply', text: 'Never answered' }],
    },
  })
  /** A new conversation in which automation answers. */
  const automated = () => converse({ instance: bot })
  /** One that was taken over from automation, and is closed. */
  const closed = async () => {
    const conversation = await automated()
    await must('POST', `/conversations/${conversation.id}/automation/pause`)
    await must('POST', `/conversations/${conversation.id}/archive`)
    return conversation
  }
  /** A message that was sent to a new conversation: its ids. */
  const send = async ({ instance = first, text = 'Hello!' } = {}) => {
    const recipient = `5521800${String(++strangers).padStart(6, '0')}`
    const sent = await must('POST', '/send-message', { instance_id: instance, recipient, message: text })
    return { uuid: String(sent.message_uuid), whatsappId: String(sent.message_id) }
  }
  const messageIn = async (conversation: string, whatsappId: string): Promise<Json> => {
    const { data } = await must('GET', `/conversations/${conversation}/messages?format=chat`)
    return data.messages.find((message: Json) => message.whatsapp_message_id === whatsappId)
  }
  const outbox = async (instance: string): Promise<Json[]> =>
    (await must('GET', `/sandbox/instances/${instance}/outbox`)).data.messages

  /** No tag has this name any more. */
  const freeTagName = async (name: string) => {
    for (const tag of (await must('GET', '/tags')).data.tags)
      if (tag.name === name) await must('DELETE', `/tags/${tag.id}`)
  }
  const tag = async (name: string, color: string): Promise<string> => {
    await freeTagName(name)
    return (await must('POST', '/tags', { name, color })).data.tag.id
  }
  const [vip, support] = [await tag('VIP', '#f59e0b'), await tag('Support', '#3b82f6')]

  const group = async (instance: string, subject: string, participants: string[]): Promise<string> =>
    (await must('POST', `/instances/${instance}/groups`, { subject, participants })).data.group.jid

  // What the lists of the document show.
  for (const text of ['Hello, I need help!', 'Ok, deal!'])
    await phone(office, 'incoming', { from: '5511999999999', name: 'John Doe', text })
  for (const text of ['Hi', 'Are you there?', 'Hello!'])
    await phone(office, 'incoming', { from: '5521999999999', name: 'John Doe', text })
  const withVip = await conversationOf(office, '5521999999999')
  await must('PUT', `/conversations/${withVip}/tags`, { tag_ids: [vip] })

  // And its chat: in a group, since two people react.
  const inFriends = (action: string, body: object) => phone(carlos, action, { ...body, group: 'Friends' })
  await phone(carlos, 'incoming', { from: '5521999999999', name: 'John Doe', text: 'Hi' })
  await inFriends('incoming', { from: '5521999999999', text: 'Hi' })
  const manyMore = Array.from({ length: 50 }, (_, n) => ({ from: '5521999999999', text: `No. ${n}` }))
  await Promise.all(manyMore.map((message) => inFriends('incoming', message)))
  const ola = {
    from: '5521944443333',
    name: 'Maria',
    text: 'Ola @5521999999999!',
    mentions: ['5521999999999'],
  }
  const { message_id } = (await inFriends('incoming', ola)).data
  await inFriends('reactions', { from: '5521966665555', name: 'Ana', message_id, emoji: '👍' })
  const { unique_id } = await messageIn(await conversationOf(carlos, 'Friends'), message_id)
  await must('POST', `/chat/messages/${unique_id}/reaction`, { emoji: '👍' })

  const upload = async (): Promise<Json> => {
    const form = new FormData()
    form.append('file', new Blob([new Uint8Array(jpeg)]), 'image.jpg')
    const headers = { authorization: `Bearer ${userToken}` }
    const response = await fetch(`${app.url}/media/upload`, { method: 'POST', headers, body: form })
    const { data }: Json = await response.json()
    return data
  }

  return {
    app,
    user,
    must,
    phone,
    imageUrl: `${files.url}/image.jpg`,
    reportUrl: `${files.url}/report.pdf`,
    receiver,
    tokens,
    first,
    /** The number of the first instance, which its UUID can be replaced by. */
    number,
    waiting,
    office,
    team,
    carlos,
    bot,
    vip,
    support,
    pairing,
    connected: () => createConnectedInstance(user, 'Spare'),
    converse,
    conversationOf,
    automated,
    closed,
    send,
    messageIn,
    outbox,
    freeTagName,
    tag,
    group,
    upload,
    stop: () => Promise.all([app.stop(), files.close(), receiver.close()]),
  }
}
export type World = Awaited<ReturnType<typeof prepareWorld>>
type App = Awaited<ReturnType<typeof startApp>>

const addUser = async (app: App, user: { email: string; name: string; password: string }) => {
  const context = { tenant: firstTenantId, actor: { kind: 'system' }, correlation: 'test' } as const
  const { position } = await app.accounts.addUser({ ...user, role: 'admin' }, context)
  await app.readModels.reached(position, CAUGHT_UP_MS, 'accounts')
}

const tokenOf = async (url: string, { email, password }: typeof LOGIN): Promise<string> =>
  (await createClient(url).post('/auth/login', { email, password })).body.data.token

/** Makes something once, when it is first asked for. */
const keep = <T>(make: () => Promise<T>) => {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
