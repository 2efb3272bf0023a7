import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { createClient, createConnectedInstance, incomingPayload, login } from '../support/client.ts'
import { createTestDatabase } from '../support/database.ts'
import { startCommand } from '../support/program.ts'
import { startReceiver, type Received } from '../support/receiver.ts'
import { startEventStoreDb } from '../support/eventstoredb.ts'
import { ADMIN, createHome } from './home.ts'

const PATIENCE = { timeout: 20_000, interval: 20 }
vi.setConfig({ testTimeout: 180_000 })

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})
const idOf = ({ data }: Received) => String(data['whatsapp_message_id'])

test('from the embedded default to a database of its own: nothing is told twice, nothing is lost, numbers go on', async () => {
  const home = await createHome({
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    WEBHOOK_RETRY_SECONDS: Array(20).fill('2').join(','),
  })
  cleanups.push(home.remove)
  const database = await createTestDatabase()
  cleanups.push(database.drop)
  const moved = { DATABASE_URL: database.url }

  let isDown = false
  const receiver = await startReceiver(() => ({ status: isDown ? 503 : 200 }))
  cleanups.push(receiver.close)
  const before = await home.start()
  const admin = await login(before.url, ADMIN.email, ADMIN.password)
  const instance = await createConnectedInstance(admin, 'Shop')
  await admin.put(`/instances/${instance}/webhook`, {
    webhook_url: receiver.url,
    events: ['message.received'],
  })
  const receive = (url: string, id: string, from: string) =>
    createClient(url, admin.token).post(`/webhooks/instance/${instance}/incoming`, incomingPayload(id, from))
  for (const id of ['told-1', 'told-2']) await receive(before.url, id, '5511900000001')
  await vi.waitFor(() => expect(receiver.received.map(idOf)).toEqual(['told-1', 'told-2']), PATIENCE)
  isDown = true
  for (const id of ['open-1', 'open-2']) await receive(before.url, id, '5511900000002')
  await vi.waitFor(() => expect(receiver.received.map(idOf)).toContain('open-1'), PATIENCE)
  await admin.post('/send-message', { recipient: '5511900000001', message: 'sent before' })

  const copyLog = async () => {
    const command = startCommand(['copy-log', '--from', home.dataDir], moved)
    return { code: await command.ended, output: command.output() }
  }
  const refused = await copyLog()
  expect(refused.code).toBe(1)
  expect(refused.output).toMatch(/is in use by Zapini, process \d+. Stop it first/)
  expect(await before.stop()).toBe(0)
  const copied = await copyLog()
  expect(copied.code, copied.output).toBe(0)
  expect(copied.output).toMatch(
    /Both logs hold the same \d+ events in the same order \(sha256 [0-9a-f]{64}\)/,
  )
  expect(copied.output).toContain(`move what is in ${home.dataDir}/media`)
  expect(await home.postgresPid(), 'what was started for the copy has ended').toBeUndefined()

  isDown = false
  receiver.received.length = 0
  const withoutKey = await home.start(moved).then(() => 'It started.', String)
  expect(withoutKey).toContain('needs a key that is not there')
  const key = (await readFile(join(home.dataDir, 'encryption.key'), 'utf8')).trim()
  const after = await home.start({ ...moved, ENCRYPTION_KEY: key })
  const again = await login(after.url, ADMIN.email, ADMIN.password)
  await receive(after.url, 'new', '5511900000003')
  await vi.waitFor(
    () => expect(receiver.received.map(idOf).toSorted()).toEqual(['new', 'open-1', 'open-2']),
    PATIENCE,
  )
  const { body: outbox } = await again.get(`/sandbox/instances/${instance}/outbox`)
  expect(outbox.data.messages).toMatchObject([{ text: 'sent before' }])
  const { body: second } = await again.post('/instances', { name: 'Second', provider: 'sandbox' })
  expect(second.data.instance.id).toBe(2)

  const onto = await copyLog()
  expect(onto.code).toBe(1)
  expect(onto.output).toMatch(/has been in use: its database follows a log already/)
  const third = await createTestDatabase()
  cleanups.push(third.drop)
  const away = startCommand(['copy-log', '--from', database.url], { DATABASE_URL: third.url })
  expect(await away.ended).toBe(1)
  expect(away.output()).toMatch(/The source is in use by zapini, from .*Stop every program/)
  expect(await after.stop()).toBe(0)
})

test('the log alone moves to EventStoreDB: until it has, the database is not used with it; afterwards only with it', async () => {
  const home = await createHome({ ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password })
  cleanups.push(home.remove)
  const eventStore = await startEventStoreDb()
  cleanups.push(eventStore.stop)
  const receiver = await startReceiver()
  cleanups.push(receiver.close)
  const withEventStore = { EVENTSTORE_URL: eventStore.url }
  const failureOf = (start: Promise<unknown>) => start.then(() => 'It started.', String)

  const before = await home.start()
  const admin = await login(before.url, ADMIN.email, ADMIN.password)
  const instance = await createConnectedInstance(admin, 'Shop')
  await admin.put(`/instances/${instance}/webhook`, {
    webhook_url: receiver.url,
    events: ['message.received'],
  })
  const receive = (url: string, id: string) =>
    createClient(url, admin.token).post(`/webhooks/instance/${instance}/incoming`, incomingPayload(id))
  await receive(before.url, 'before')
  await vi.waitFor(() => expect(receiver.received.map(idOf)).toEqual(['before']), PATIENCE)
  expect(await before.stop()).toBe(0)

  const refused = await failureOf(home.start(withEventStore))
  expect(refused).toContain('belongs to the log in PostgreSQL, but EVENTSTORE_URL is set')
  expect(await home.postgresPid(), 'what was started has ended').toBeUndefined()
  const command = startCommand(['copy-log', '--from', home.dataDir], {
    DATA_DIR: home.dataDir,
    ...withEventStore,
  })
  expect(await command.ended, command.output()).toBe(0)
  expect(command.output(), 'media stays where it is').not.toContain('move what is in')

  const after = await home.start(withEventStore)
  await receive(after.url, 'after')
  await vi.waitFor(() => expect(receiver.received.map(idOf)).toEqual(['before', 'after']), PATIENCE)
  const again = await login(after.url, ADMIN.email, ADMIN.password)
  const { body } = await again.get('/conversations')
  expect(body.data).toMatchObject([{ unread_count: 2 }])
  expect(await after.stop()).toBe(0)
  expect(await failureOf(home.start())).toContain(
    'belongs to a log in EventStoreDB, but EVENTSTORE_URL is not set',
  )

  const back = startCommand(['copy-log', '--from', eventStore.url], { DATA_DIR: home.dataDir })
  expect(await back.ended, back.output()).toBe(0)
  const last = await home.start()
  await receive(last.url, 'last')
  await vi.waitFor(() => expect(receiver.received.map(idOf)).toEqual(['before', 'after', 'last']), PATIENCE)
  expect(await last.stop()).toBe(0)
})
