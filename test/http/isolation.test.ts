import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Client, type Json } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startFileServer, tinyFiles, upload } from '../support/files.ts'
import { startReceiver } from '../support/receiver.ts'
import { servedRoutes, type ServedRoute } from './routes-table.ts'
import { addTenant, instanceClient, storingNothing, type App } from './world.ts'

vi.setConfig({ testTimeout: 180_000 })

let app: App
let receiver: Awaited<ReturnType<typeof startReceiver>>
let files: Awaited<ReturnType<typeof startFileServer>>
let routes: readonly ServedRoute[]
let strangers: Readonly<Record<string, Client>>
beforeAll(async () => {
  app = await startApp()
  receiver = await startReceiver()
  files = await startFileServer()
  // What is open to anybody is found by a secret in its address.
  routes = (await servedRoutes(app.admin)).filter((route) => !route.isForOperator && !route.isForAnybody)
  const { client } = await addTenant(app, 'stranger')
  await createConnectedInstance(client)
  const neighbour = await createConnectedInstance(app.admin, 'neighbour')
  strangers = {
    'the administrator of another tenant': client,
    'the token of another instance of the tenant': await instanceClient(app.admin, neighbour),
  }
})
afterAll(async () => {
  await app.stop()
  await receiver.close()
  await files.close()
})

/** One thing of every kind, fresh, each under all the ids that a path takes. */
const makeThings = async () => {
  const instance = await createConnectedInstance(app.admin, 'owned')
  const { body: token } = await app.admin.post(`/instances/${instance}/tokens`, { name: 'owned' })
  const events = ['message.received', 'message.sent', 'contact.update']
  await app.admin.put(`/instances/${instance}/webhook`, { webhook_url: receiver.url, events })
  const { body: received } = await app.admin.post(
    `/webhooks/instance/${instance}/incoming`,
    incomingPayload('OWNED'),
  )
  const { body: sent } = await app.admin.post('/send-message', {
    instance_id: instance,
    recipient: '5511999999999',
    message: 'owned',
  })
  const contact = { instance_id: instance, phone_number: '5511900000000', name: 'owned' }
  const { body: saved } = await app.admin.post('/contacts', contact)
  const [{ id, number }] = (await app.admin.get(`/conversations?instance_id=${instance}`)).body.data
  const { body: tag } = await app.admin.post('/tags', { name: `owned ${newId()}`, color: '#ef4444' })
  const { body: file } = await upload(app.admin, 'owned.png', tinyFiles['a.png'] ?? Buffer.alloc(0))
  const { body: picture } = await app.admin.post(`/webhooks/instance/${instance}/incoming`, {
    ...incomingPayload('PICTURE'),
    message: { imageMessage: { url: `${files.url}/a.jpg`, mimetype: 'image/jpeg', caption: 'owned' } },
  })
  const deliveries = `/instances/${instance}/webhook/deliveries`
  const delivered = async (): Promise<Json[]> =>
    (await app.admin.get(`${deliveries}?state=delivered`)).body.data.deliveries
  // Two messages in, the one who wrote them, a contact, a message out.
  await eventually(async () => expect(await delivered()).toHaveLength(5))
  const [delivery] = await delivered()
  const { body: grouped } = await app.admin.post(`/instances/${instance}/groups`, {
    subject: 'owned',
    participants: ['5511988887777'],
  })
  const shown = (await app.admin.get(`/instances/${instance}`)).body.data
  const person = { name: 'owned', email: `owned-${newId()}@example.com`, role: 'viewer' }
  const { user } = (await app.admin.post('/users', person)).body.data
  const { body: automation } = await app.admin.post(`/instances/${instance}/automations`, {
    name: 'owned',
    kind: 'flow',
    enabled: false,
    definition: { trigger: { type: 'any' }, steps: [{ type: 'reply', text: 'owned' }] },
  })
  return {
    user: [user.uuid, String(user.id)],
    instance: [instance, String(shown.id)],
    conversation: [id, String(number)],
    contact: [saved.data.uuid, String(saved.data.id)],
    delivery: [String(delivery.id)],
    automation: [automation.data.uuid, String(automation.data.id)],
    token: [String(token.data.id)],
    event: [delivery.causation_id, delivery.event_id, String(delivery.id)],
    message: [sent.message_uuid, sent.message_id],
    tag: [tag.data.tag.id],
    media: [file.data.id, uuidOfMedia(file.data.id)],
    picture: [picture.data.message_id, 'PICTURE'],
    group: [grouped.data.group.jid],
    messageUuid: received.data.message_id,
    sentId: sent.message_id,
    attempts: async () => (await delivered()).map(({ attempts }) => attempts.length),
  }
}
type Things = Awaited<ReturnType<typeof makeThings>>

const uuidOfMedia = (id: string) => id.replace(/^media_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

type Kind =
  | 'instance'
  | 'conversation'
  | 'delivery'
  | 'message'
  | 'picture'
  | 'tag'
  | 'user'
  | 'contact'
  | 'media'
  | 'automation'
  | 'event'

const kindOf = (path: string): Kind => {
  if (/^\/((sandbox\/)?instances|webhooks\/instance)\/\{id\}/.test(path)) return 'instance'
  if (/^(\/chat)?\/conversations\/\{id\}/.test(path)) return 'conversation'
  if (path.startsWith('/messages/{id}/media')) return 'picture'
  if (path.startsWith('/media/{id}')) return 'media'
  if (/^(\/chat)?\/messages\/\{id\}/.test(path)) return 'message'
  if (path.startsWith('/tags/{id}')) return 'tag'
  if (path.startsWith('/contacts/{id}')) return 'contact'
  if (path.startsWith('/users/{id}')) return 'user'
  if (path.startsWith('/automations/{id}')) return 'automation'
  if (path.startsWith('/webhooks/deliveries/{id}')) return 'delivery'
  if (path.startsWith('/audit/causes/{id}')) return 'event'
  throw new Error(`Say here what kind of thing ${path} is about`)
}

/** The addresses of a thing: by each of the ids that it goes by. */
const addressesOf = ({ path }: ServedRoute, things: Things) =>
  things[kindOf(path)].map((id) =>
    path
      .replace('{id}', id)
      .replace('{tokenId}', things.token[0] ?? '')
      .replace('{jid}', things.group[0] ?? ''),
  )

/** A body that its owner may send. */
const bodyFor = ({ operationId, method, example }: ServedRoute, things: Things): Json => {
  const key = { remoteJid: '5511999999999@s.whatsapp.net', id: things.sentId, fromMe: true }
  switch (operationId) {
    case 'receiveSandboxReceipt':
      return { message_id: things.sentId, status: 'read' }
    case 'hookStatus':
      return { key, status: 3 }
    case 'configureWebhook':
      return { webhook_url: receiver.url }
    case 'setConversationTags':
      return { tag_ids: things.tag }
    case 'changeTag':
      return { color: '#dc2626' }
    case 'sendChatMedia':
    case 'sendMedia':
    case 'sendMediaMessage':
      return { ...example, media_url: `${files.url}/a.jpg` }
    default:
      return example ?? (method === 'GET' ? undefined : {})
  }
}

/** What a query must have besides. */
const moreQueryOf = ({ operationId }: ServedRoute) => (operationId === 'searchMessages' ? '&q=owned' : '')

/** What ends something comes last, so that the other calls still find it. */
const endings = [
  'deleteMessage',
  'scriptSandboxFailure',
  'deleteTag',
  'deleteContact',
  'deleteMedia',
  'deleteAutomation',
  'deleteConversation',
  'removeGroupParticipants',
  'leaveGroup',
  'disconnectInstance',
  'revokeInstanceToken',
  'deleteInstance',
]
const endOf = ({ operationId }: ServedRoute) => endings.indexOf(operationId)

/** What has to be done before its owner can make a call. */
const prepare = async ({ operationId }: ServedRoute, things: Things) => {
  if (/^(restoreConversation|resume)/.test(operationId))
    await app.admin.post(`/conversations/${things.conversation[0]}/archive`)
}

const isHidden = (status: number) => status === 404 || status === 403

describe('a thing of one tenant', () => {
  it('is out of reach for others on every route with its id, and nothing is stored', async () => {
    const things = await makeThings()
    const withIds = routes.filter(({ path }) => path.includes('{'))
    expect(withIds.length).toBeGreaterThan(25)
    const attempts = await things.attempts()
    for (const [who, stranger] of Object.entries(strangers))
      await storingNothing(app, async () => {
        for (const route of withIds)
          for (const address of addressesOf(route, things)) {
            const { status, body } = await stranger.call(route.method, address, bodyFor(route, things))
            expect(isHidden(status), `${who}: ${route.method} ${address} answered ${status}`).toBe(true)
            expect(JSON.stringify(body)).not.toContain('owned')
          }
      })
    expect(await things.attempts()).toEqual(attempts)
  })
  it('is in reach for its owner by the very same calls, so that the test above can fail', async () => {
    const things = await makeThings()
    const withIds = routes.filter(({ path }) => path.includes('{'))
    for (const route of withIds.toSorted((one, other) => endOf(one) - endOf(other))) {
      const [address = ''] = addressesOf(route, things)
      await prepare(route, things)
      const { status, body } = await app.admin.call(route.method, address, bodyFor(route, things))
      const answered = `${route.method} ${address} answered ${status} ${JSON.stringify(body)}`
      expect([200, 201, 202, 409], answered).toContain(status)
    }
  })
  it('cannot be named as instance_id by others, in query or body', async () => {
    const things = await makeThings()
    const naming = routes.filter(
      ({ query, body }) => query.includes('instance_id') || body?.properties.instance_id,
    )
    expect(naming.length).toBeGreaterThan(5)
    for (const route of naming)
      for (const ref of things.instance) {
        const call = (client: Client) =>
          route.query.includes('instance_id')
            ? client.call(route.method, `${route.path}?instance_id=${ref}${moreQueryOf(route)}`)
            : client.call(route.method, route.path, { ...bodyFor(route, things), instance_id: ref })
        for (const [who, stranger] of Object.entries(strangers)) {
          const { status } = await storingNothing(app, () => call(stranger))
          expect(isHidden(status), `${who}: ${route.operationId} answered ${status}`).toBe(true)
        }
        const own = await call(app.admin)
        expect(own.body.error?.message).not.toBe('Instance not found.')
      }
  })
  it('cannot be quoted or reacted to by its UUID', async () => {
    const { messageUuid } = await makeThings()
    const to = '5511999999999'
    for (const stranger of Object.values(strangers))
      await storingNothing(app, async () => {
        const quote = await stranger.post('/send-message', { to, message: 'x', reply_to: messageUuid })
        expect(quote.status).toBe(422)
        const reaction = await stranger.post('/send-reaction', { to, messageId: messageUuid, emoji: '👍' })
        expect(reaction.status).toBe(422)
      })
  })
  it('is in no list of others', async () => {
    await makeThings()
    for (const [who, stranger] of Object.entries(strangers))
      for (const path of [
        '/instances',
        '/conversations',
        '/conversations/archived',
        '/chat/conversations',
        '/messages/search?q=owned',
        '/contacts',
        '/contacts/export',
        '/audit/events',
      ]) {
        const { status, body } = await stranger.get(path)
        expect(path === '/audit/events' ? [200, 403] : [200]).toContain(status)
        expect(JSON.stringify(body), `${who}: ${path}`).not.toContain('owned')
      }
  })
})

describe('the same chat of two tenants', () => {
  it('is two conversations, and the same WhatsApp id two messages', async () => {
    const mine = await makeThings()
    const client = strangers['the administrator of another tenant']
    const [own] = (await client?.get('/instances'))?.body.data.instances ?? []
    await client?.post(`/webhooks/instance/${own.uuid}/incoming`, incomingPayload('OWNED'))
    const theirs = (await client?.get('/conversations'))?.body.data
    expect(theirs).toHaveLength(1)
    expect(theirs[0].id).not.toBe(mine.conversation[0])
    expect(theirs[0]).toMatchObject({ unread_count: 1, last_message: 'text of OWNED' })
  })
})
