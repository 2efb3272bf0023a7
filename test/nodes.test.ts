import { expect, onTestFinished, test, vi } from 'vitest'
import { createLog } from '../src/log.ts'
import { createClient, createConnectedInstance, incomingPayload, type Client } from './support/client.ts'
import { sharedDatabase, type TestNode } from './support/nodes.ts'
import { range } from './support/range.ts'
import { startReceiver } from './support/receiver.ts'

vi.setConfig({ testTimeout: 120_000 })
const WORK = 'projector,relay,webhooks'
const PATIENCE = { timeout: 40_000, interval: 20 }
const patiently = <T>(expectation: () => T | Promise<T>) => vi.waitFor(expectation, PATIENCE)

const standingOf = async ({ admin }: TestNode) => (await admin.get('/ready')).body
const leasesOf = async (node: TestNode): Promise<string[]> => (await standingOf(node)).node.leases
const LEASES = [
  'automations',
  'chain',
  'erase',
  'learn-contacts',
  'media-removal',
  'projector',
  'purge',
  'relay',
]

const receiverFor = async (client: Client, instance: string) => {
  const receiver = await startReceiver()
  onTestFinished(receiver.close)
  const webhook = { webhook_url: receiver.url, events: ['message.received', 'message.sent'] }
  const { status } = await client.put(`/instances/${instance}/webhook`, webhook)
  expect(status).toBe(200)
  return () => receiver.received.map(({ data }) => String(data['content']))
}
const receive = (client: Client, instance: string, id: string) =>
  client.post(`/webhooks/instance/${instance}/incoming`, incomingPayload(id))
const lastMessage = async (client: Client) => (await client.get('/conversations')).body.data[0]?.last_message

test('an API node and a worker: what is sent goes out, is delivered, and is read where it was written', async () => {
  const { startNode } = await sharedDatabase()
  const [api, worker] = await Promise.all([startNode('api,gateway'), startNode(WORK)])
  const instance = await createConnectedInstance(api.admin)
  const delivered = await receiverFor(api.admin, instance)
  const message = { instance_id: instance, recipient: '5511999999999', message: 'hello' }
  expect((await api.admin.post('/send-message', message)).status).toBe(200)
  for (const n of range(10)) {
    expect((await receive(api.admin, instance, `M${n}`)).status).toBe(200)
    expect(await lastMessage(api.admin), `after message ${n}`).toBe(`text of M${n}`)
  }
  const texts = range(10).map((n) => `text of M${n}`)
  await patiently(() => expect(delivered()).toEqual(expect.arrayContaining(['hello', ...texts])))
  expect(delivered().filter((text) => text.startsWith('text'))).toEqual(texts)

  const [ofApi, ofWorker] = [await standingOf(api), await standingOf(worker)]
  expect(ofApi).toMatchObject({
    status: 'ok',
    node: { name: api.node.name, roles: ['api', 'gateway'], leases: [], instances: 1 },
    reactions: [],
  })
  expect(ofWorker).toMatchObject({ status: 'ok', node: { name: worker.node.name, leases: LEASES } })
  expect(ofWorker.reactions).toHaveLength(6)
  await patiently(async () =>
    expect((await standingOf(api)).projections).toEqual((await standingOf(worker)).projections),
  )
  const { body: metrics } = await worker.admin.get('/metrics')
  expect(metrics).toContain('zapini_leases_held{lease="projector"} 1')
  expect(metrics).toContain('zapini_projection_position{projection="relay"}')
  expect((await api.admin.get('/metrics')).body).not.toContain('{projection="relay"}')
})

test('a token that is revoked through one node works at no other', async () => {
  const { startNode } = await sharedDatabase()
  const [first, second] = await Promise.all([startNode(`api,${WORK}`), startNode('api')])
  const created = await first.admin.post('/instances', { name: 'shop', provider: 'sandbox' })
  const instance = created.body.data.instance.uuid
  for (const [issuer, other] of [
    [first, second],
    [second, first],
  ] as const) {
    const issued = (await issuer.admin.post(`/instances/${instance}/tokens`, { name: 'bot' })).body.data
    const bots = [first, second].map(({ url }) => createClient(url, issued.token))
    for (const bot of bots) expect((await bot.get('/instances')).status).toBe(200)
    await issuer.admin.delete(`/instances/${instance}/tokens/${issued.id}`)
    for (const bot of bots)
      await patiently(async () => expect((await bot.get('/instances')).status).toBe(401))
    expect((await other.admin.get('/instances')).status).toBe(200)
  }
})

test.each(['stopped', 'lost'] as const)(
  'when the worker is %s another takes over, and nothing is lost or comes out of order',
  async (end) => {
    const { startNode } = await sharedDatabase()
    const [api, worker] = await Promise.all([startNode('api,gateway'), startNode(WORK)])
    const heir = await startNode(WORK)
    expect(await standingOf(heir), 'a standby is not degraded').toMatchObject({ status: 'ok', reactions: [] })
    expect(await leasesOf(heir)).toEqual([])
    const instance = await createConnectedInstance(api.admin)
    const delivered = await receiverFor(api.admin, instance)
    for (const n of range(10)) await receive(api.admin, instance, `A${n}`)
    await patiently(() => expect(delivered()).toContain('text of A3'))
    if (end === 'lost') worker.lose()
    else await worker.leave()
    for (const n of range(10)) expect((await receive(api.admin, instance, `B${n}`)).status).toBe(200)
    await patiently(async () => expect(await leasesOf(heir)).toEqual(LEASES))
    expect(await lastMessage(api.admin)).toBe('text of B9')
    const texts = ['A', 'B'].flatMap((letter) => range(10).map((n) => `text of ${letter}${n}`))
    await patiently(() => expect([...new Set(delivered())]).toEqual(texts))
  },
)

test('what is deleted at one node is erased at all of them, and a request that is repeated brings nothing of it back', async () => {
  const { startNode } = await sharedDatabase()
  const [one, other] = await Promise.all([startNode('api,gateway'), startNode(`api,${WORK}`)])
  const instance = await createConnectedInstance(one.admin)
  const send = () =>
    other.admin.post(
      '/send-message',
      { instance_id: instance, recipient: '5511999999999', message: 'secret' },
      { 'idempotency-key': 'once' },
    )
  const conversations = async () => (await other.admin.get('/conversations')).body.data
  const sent = await send()
  expect(sent.status).toBe(200)
  const [{ id }] = await conversations()
  expect((await one.admin.delete(`/conversations/${id}`)).status).toBe(200)
  await patiently(async () => {
    for (const { store } of [one, other])
      expect((await store.readStream(`conversation-${id}`))[0]).toMatchObject({ erased: true })
  })
  expect(await send()).toMatchObject({ status: 200, body: { message_id: sent.body.message_id } })
  expect(await conversations()).toEqual([])
})

test('several nodes that start at once on an empty database make one account', async () => {
  const { startNode } = await sharedDatabase()
  const nodes = await Promise.all(range(3).map(() => startNode(`api,${WORK}`)))
  for (const { admin } of nodes) expect((await admin.get('/users')).body.data).toHaveLength(1)
})

test('a node on which nobody keeps the read models waits, says so, and is ready when somebody does', async () => {
  const { startNode } = await sharedDatabase()
  const lines: string[] = []
  const log = createLog('info', { write: (line) => void lines.push(line) })
  const starting = startNode('api', {}, { log })
  await patiently(() => expect(lines.join()).toContain('no node with the role projector'))
  await startNode(WORK)
  expect(await standingOf(await starting)).toMatchObject({ status: 'ok' })
})
