import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { afterEach, expect, test, vi } from 'vitest'
import { createClient, createConnectedInstance, incomingPayload, login } from '../support/client.ts'
import { createTestDatabase } from '../support/database.ts'
import { testFolder } from '../support/moving.ts'
import { startCommand } from '../support/program.ts'
import { startReceiver, type Received } from '../support/receiver.ts'
import { ADMIN, createHome } from './home.ts'

const PATIENCE = { timeout: 20_000, interval: 20 }
vi.setConfig({ testTimeout: 180_000 })
const MAIN = join(import.meta.dirname, '../../dist/main.js')

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})
const idOf = ({ data }: Received) => String(data['whatsapp_message_id'])

test('what a running server exports, an empty place imports: it knows the same, tells nobody old news, and goes on numbering', async () => {
  const home = await createHome({ ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password })
  cleanups.push(home.remove)
  const receiver = await startReceiver()
  cleanups.push(receiver.close)
  const before = await home.start()
  const admin = await login(before.url, ADMIN.email, ADMIN.password)
  const instance = await createConnectedInstance(admin, 'Shop')
  await admin.put(`/instances/${instance}/webhook`, {
    webhook_url: receiver.url,
    events: ['message.received'],
  })
  const receive = (url: string, id: string, from = '5511900000001') =>
    createClient(url, admin.token).post(`/webhooks/instance/${instance}/incoming`, incomingPayload(id, from))
  for (const id of ['one', 'two']) await receive(before.url, id)
  await vi.waitFor(() => expect(receiver.received.map(idOf)).toEqual(['one', 'two']), PATIENCE)
  const known = async (url: string) => {
    const { body } = await createClient(url, admin.token).get('/conversations')
    return body.data
  }
  const conversations = await known(before.url)

  const file = join(await testFolder(), 'export.jsonl')
  const written = startCommand(['export', '--out', file], { DATA_DIR: home.dataDir })
  expect(await written.ended, written.output()).toBe(0)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await readFile(file, 'utf8')).toContain('"senderName":')
  await receive(before.url, 'after the export')
  await vi.waitFor(() => expect(receiver.received).toHaveLength(3), PATIENCE)
  const inUse = startCommand(['import', file], { DATA_DIR: home.dataDir })
  expect(await inUse.ended).toBe(1)
  expect(inUse.output()).toMatch(/is in use by Zapini, process \d+. Stop it first/)
  expect(await before.stop()).toBe(0)
  const used = startCommand(['import', file], { DATA_DIR: home.dataDir })
  expect(await used.ended).toBe(1)
  expect(used.output()).toMatch(/has been in use/)

  const database = await createTestDatabase()
  cleanups.push(database.drop)
  const there = { DATABASE_URL: database.url }
  // From standard input, as from another machine.
  const child = spawn('sh', ['-c', `cat ${file} | ${process.execPath} ${MAIN} import -`], {
    env: { PATH: process.env['PATH'], ...there },
    stdio: 'ignore',
  })
  expect(await new Promise((done) => child.once('close', done))).toBe(0)

  receiver.received.length = 0
  const after = await home.start(there)
  expect(await known(after.url)).toEqual(conversations)
  await receive(after.url, 'three')
  await receive(after.url, 'another', '5511900000002')
  await vi.waitFor(
    () => expect(receiver.received.map(idOf).toSorted()).toEqual(['another', 'three']),
    PATIENCE,
  )
  const numbers = receiver.received.map((one) => [idOf(one), one.data['conversation_id']])
  expect(Object.fromEntries(numbers)).toEqual({ three: 1, another: 2 })
  const { body: second } = await createClient(after.url, admin.token).post('/instances', {
    name: 'Second',
    provider: 'sandbox',
  })
  expect(second.data.instance.id).toBe(2)
  const onto = startCommand(['import', file], there)
  expect(await onto.ended).toBe(1)
  expect(onto.output()).toMatch(/has been in use|is in use/)
  expect(await after.stop()).toBe(0)
})
