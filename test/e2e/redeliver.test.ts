import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  createClient,
  createConnectedInstance,
  incomingPayload,
  login,
  type Client,
} from '../support/client.ts'
import { startCommand } from '../support/program.ts'
import { range } from '../support/range.ts'
import { startReceiver, type Received } from '../support/receiver.ts'
import { ADMIN, createHome, type Home } from './home.ts'

const PATIENCE = { timeout: 30_000, interval: 10 }
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })
const CONVERSATIONS = 3
const EACH = 8
const numberOf = (conversation: number) => String(5_511_900_000_000 + conversation)
const idOf = ({ data }: Received) => String(data['whatsapp_message_id'])
const isMarked = ({ headers }: Received) => headers['x-webhook-redelivery'] === 'true'
const isOf = (conversation: number) => (one: Received) => one.data['sender_number'] === numberOf(conversation)
const webhookIdOf = ({ headers }: Received) => String(headers['webhook-id'])

let home: Home
let program: Awaited<ReturnType<Home['start']>>
let receiver: Awaited<ReturnType<typeof startReceiver>>
let admin: Client
let instance: string
let since: string
let until: string
/** What is not taken: a redelivery about this conversation. */
let refused: number | undefined

const told = (conversation: number) => range(EACH).map((n) => `${conversation}-${n}`)
const receive = (id: string, conversation: number) =>
  createClient(program.url, admin.token).post(
    `/webhooks/instance/${instance}/incoming`,
    incomingPayload(id, numberOf(conversation)),
  )
/** What came since the last look, as far as it was taken. */
const marked = () => receiver.received.filter(isMarked)
const redeliver = (...args: string[]) =>
  startCommand(['webhooks', 'redeliver', '--since', since, '--endpoint', instance, '--yes', ...args], {
    DATA_DIR: home.dataDir,
  })

beforeAll(async () => {
  home = await createHome({
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    WEBHOOK_RETRY_SECONDS: Array(50).fill('1').join(','),
  })
  receiver = await startReceiver((one) => ({
    status: isMarked(one) && refused !== undefined && isOf(refused)(one) ? 503 : 200,
  }))
  program = await home.start()
  admin = await login(program.url, ADMIN.email, ADMIN.password)
  instance = await createConnectedInstance(admin, 'Shop')
  await admin.put(`/instances/${instance}/webhook`, {
    webhook_url: receiver.url,
    events: ['message.incoming', 'message.status'],
  })
  await receive('before', 0)
  since = new Date().toISOString()
  for (const n of range(EACH))
    for (const conversation of range(CONVERSATIONS)) await receive(`${conversation}-${n}`, conversation)
  // Told, but to nobody: the endpoint wants no such event.
  await admin.post('/send-message', { recipient: numberOf(0), message: 'ours' })
  await vi.waitFor(
    () =>
      expect(receiver.received.filter(({ event }) => event === 'message.incoming')).toHaveLength(
        1 + EACH * CONVERSATIONS,
      ),
    PATIENCE,
  )
  until = new Date().toISOString()
  await receive('after', 0)
  await vi.waitFor(() => expect(receiver.received.map(idOf)).toContain('after'), PATIENCE)
})
afterAll(async () => {
  await receiver?.close()
  await home?.remove()
})

test('a redelivery that is killed again and again delivers each event once more, in order, marked, under its old id', async () => {
  const before = new Map(receiver.received.map((one) => [idOf(one), webhookIdOf(one)]))
  receiver.received.length = 0
  let kills = 0
  while (marked().length < EACH * CONVERSATIONS - 8) {
    const { child, output, ended } = redeliver('--until', until, '--rate', '8/s')
    const enough = marked().length + 3
    await vi.waitFor(() => {
      expect(child.exitCode, output()).toBeNull()
      expect(marked().length).toBeGreaterThanOrEqual(enough)
    }, PATIENCE)
    child.kill('SIGKILL')
    await ended
    kills++
  }
  expect(kills).toBeGreaterThan(1)
  const last = redeliver('--until', until, '--rate', '1000')
  expect(await last.ended, last.output()).toBe(0)
  expect(last.output()).toContain(`${EACH * CONVERSATIONS} delivered, 0 dead.`)

  expect(receiver.received.every(isMarked)).toBe(true)
  expect(receiver.received).toHaveLength(EACH * CONVERSATIONS)
  for (const conversation of range(CONVERSATIONS))
    expect(marked().filter(isOf(conversation)).map(idOf)).toEqual(told(conversation))
  for (const one of marked()) {
    expect(webhookIdOf(one)).toBe(before.get(idOf(one)))
    expect(one.event).toBe('message.incoming')
  }
  const { body } = await admin.get(`/instances/${instance}/webhook/deliveries?limit=100`)
  const deliveries: { redelivery: boolean }[] = body.data.deliveries
  expect(deliveries.filter(({ redelivery }) => redelivery)).toHaveLength(EACH * CONVERSATIONS)
})

test('what is new overtakes a redelivery that waits; interrupted, it goes on where it stopped', async () => {
  receiver.received.length = 0
  refused = 1
  const first = redeliver('--until', until, '--rate', '1000')
  await vi.waitFor(() => expect(marked().filter(isOf(1)).length).toBeGreaterThan(0), PATIENCE)
  await vi.waitFor(() => expect(marked().filter(isOf(2))).toHaveLength(EACH), PATIENCE)
  await receive('new', 1)
  await vi.waitFor(
    () => expect(receiver.received.filter((one) => !isMarked(one)).map(idOf)).toEqual(['new']),
    PATIENCE,
  )
  expect(
    new Set(marked().filter(isOf(1)).map(idOf)),
    'the first waits for nobody, and the others for it',
  ).toEqual(new Set(['1-0']))
  const recorded = async () => {
    const { body } = await admin.get(`/instances/${instance}/webhook/deliveries?limit=100&state=delivered`)
    const deliveries: { redelivery: boolean }[] = body.data.deliveries
    return deliveries.filter(({ redelivery }) => redelivery).length
  }
  // All of before, and now all but the conversation that waits.
  await vi.waitFor(async () => expect(await recorded()).toBe(EACH * (2 * CONVERSATIONS - 1)), PATIENCE)
  first.child.kill('SIGINT')
  expect(await first.ended).toBe(1)
  expect(first.output()).toMatch(
    /Interrupted: 16 delivered, 0 dead, 8 in the queue. The same command goes on/,
  )

  refused = undefined
  const second = redeliver('--until', until, '--rate', '1000')
  expect(await second.ended, second.output()).toBe(0)
  expect(second.output()).toContain('24 delivered, 0 dead.')
  const taken = [...new Set(marked().filter(isOf(1)).map(idOf))]
  expect(taken).toEqual(told(1))
})

test('one conversation alone is delivered again; what is erased is not', async () => {
  const { body } = await admin.get('/conversations?per_page=100')
  const conversations: { id: number }[] = body.data
  const numbered = (conversation: number) =>
    String(conversations.find((one) => JSON.stringify(one).includes(numberOf(conversation)))?.id)

  receiver.received.length = 0
  const one = redeliver('--until', until, '--conversation', numbered(2), '--rate', '1000')
  expect(await one.ended, one.output()).toBe(0)
  expect(receiver.received.map(idOf)).toEqual(told(2))

  expect((await admin.delete(`/conversations/${numbered(0)}`)).status).toBe(200)
  await vi.waitFor(async () => {
    const { body } = await admin.get(`/instances/${instance}/webhook/deliveries?limit=100`)
    const deliveries: { payload: unknown; redelivery: boolean }[] = body.data.deliveries
    const emptied = deliveries.filter(({ payload, redelivery }) => redelivery && payload === null)
    expect(emptied, 'what was delivered again, twice, is emptied, too').toHaveLength(EACH * 2)
  }, PATIENCE)
  receiver.received.length = 0
  const rest = redeliver('--until', until, '--rate', '1000')
  expect(await rest.ended, rest.output()).toBe(0)
  expect(marked().map(idOf).toSorted()).toEqual([...told(1), ...told(2)].toSorted())
})

test('without a server nothing is put into the queue, and it is said', async () => {
  expect(await program.stop()).toBe(0)
  const command = redeliver()
  expect(await command.ended).toBe(1)
  expect(command.output()).toContain('No server is running here')
})
