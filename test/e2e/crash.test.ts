import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createClient, createConnectedInstance, incomingPayload, type Client } from '../support/client.ts'
import type { Program } from '../support/program.ts'
import { startReceiver, type Received } from '../support/receiver.ts'
import { ADMIN, createHome, type Home } from './home.ts'

const PATIENCE = { timeout: 90_000, interval: 50 }
vi.setConfig({ testTimeout: 120_000 })
const range = (count: number) => Array.from({ length: count }, (_, n) => n)
const numberOf = (n: number) => String(5_511_900_000_000 + n)

let home: Home
let program: Program
let token: string
/** The program that is there, or will be. */
let running: Promise<Program>

const run = async () => {
  running = home.start()
  program = await running
}
beforeAll(async () => {
  home = await createHome({
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    WEBHOOK_RETRY_SECONDS: `0.05,0.05,0.1,0.2,${Array(20).fill('0.5').join(',')}`,
  })
  await run()
  const { body } = await createClient(program.url).post('/auth/login', ADMIN)
  token = body.data.token
})
afterAll(() => home.remove())

const client = () => createClient(program.url, token)

const crash = async (withPostgres: boolean) => {
  const ended = Promise.all([program.kill(), withPostgres && home.killPostgres()])
  running = ended.then(() => home.start())
  program = await running
}

type Call = (client: Client) => ReturnType<Client['post']>
/** Undefined if the connection broke before there was an answer. */
const once = async (call: Call) => {
  const { url } = await running
  return call(createClient(url, token)).catch(() => undefined)
}
/** Calls until there is an answer, as a client does that must not lose anything. */
const persistently = async (call: Call): ReturnType<Call> => {
  for (;;) {
    const answer = await once(call)
    if (answer && answer.status < 500) return answer
  }
}

const receiverFor = async (
  instance: string,
  events: readonly string[],
  answer?: Parameters<typeof startReceiver>[0],
) => {
  const receiver = await startReceiver(answer)
  onTestFinished(receiver.close)
  const { status } = await client().put(`/instances/${instance}/webhook`, {
    webhook_url: receiver.url,
    events,
  })
  expect(status).toBe(200)
  return receiver
}
const idOf = ({ data }: Received) => String(data['whatsapp_message_id'])

describe.each([
  { what: 'the program', withPostgres: false },
  { what: 'the program and its PostgreSQL', withPostgres: true },
])('killing $what again and again', ({ withPostgres }) => {
  it('loses no incoming message, and delivers those of each conversation in order', async () => {
    const CONVERSATIONS = 20
    const EACH = 25
    const instance = await createConnectedInstance(client())
    const tries = new Map<string, number>()
    const delivered = new Map<string, Set<string>>()
    const receiver = await receiverFor(instance, ['message.received'], (received) => {
      const id = idOf(received)
      const nth = (tries.get(id) ?? 0) + 1
      tries.set(id, nth)
      if (nth <= 2) return { status: 503 }
      const chat = String(received.data['sender_number'])
      delivered.set(chat, (delivered.get(chat) ?? new Set()).add(id))
      return { status: 200 }
    })
    const messageOf = (conversation: number, n: number) => `${withPostgres ? 'P' : 'M'}-${conversation}-${n}`
    let acknowledged = 0
    const write = async (conversation: number) => {
      for (const n of range(EACH)) {
        const payload = incomingPayload(messageOf(conversation, n), numberOf(conversation))
        const { status } = await persistently((to) =>
          to.post(`/webhooks/instance/${instance}/incoming`, payload),
        )
        expect(status).toBe(200)
        acknowledged++
      }
    }
    const deliveries = () => [...delivered.values()].reduce((sum, { size }) => sum + size, 0)
    const interrupt = async () => {
      await vi.waitFor(() => expect(acknowledged).toBeGreaterThan(100), PATIENCE)
      await crash(withPostgres)
      await vi.waitFor(() => expect(deliveries()).toBeGreaterThan(100), PATIENCE)
      await crash(withPostgres)
      await vi.waitFor(() => expect(deliveries()).toBeGreaterThan(300), PATIENCE)
      await crash(withPostgres)
    }
    await Promise.all([interrupt(), ...range(CONVERSATIONS).map(write)])
    await vi.waitFor(() => expect(deliveries()).toBe(CONVERSATIONS * EACH), PATIENCE)
    for (const conversation of range(CONVERSATIONS))
      expect([...(delivered.get(numberOf(conversation)) ?? [])]).toEqual(
        range(EACH).map((n) => messageOf(conversation, n)),
      )
    await vi.waitFor(async () => {
      const { body } = await client().get(`/instances/${instance}/webhook/deliveries?state=open`)
      expect(body.data.deliveries).toEqual([])
    }, PATIENCE)
    console.info(
      `${receiver.received.length} posts for ${CONVERSATIONS * EACH} messages that take three each`,
    )
  })

  it('sends what was acknowledged, and what is repeated under its key, once', async () => {
    const KEYED = 60
    const UNKEYED = 60
    const instance = await createConnectedInstance(client())
    const receiver = await receiverFor(instance, ['message.sent'])
    const bodyOf = (text: string, n: number) => ({
      instance_id: instance,
      recipient: numberOf(n % 7),
      message: text,
      // A client that comes just after a start finds the phone not connected yet.
      queue: true,
    })
    let answers = 0
    const ids = new Map<string, string>()
    const acknowledged = new Set<string>()
    const keyed = async (n: number) => {
      const text = `keyed ${n}`
      const send = () =>
        persistently((to) =>
          to.post('/send-message', bodyOf(text, n), { 'idempotency-key': `${instance} ${n}` }),
        )
      const { status, body } = await send()
      expect([200, 202]).toContain(status)
      answers++
      ids.set(text, body.message_id)
      expect((await send()).body.message_id).toBe(body.message_id)
    }
    const unkeyed = async (n: number) => {
      const text = `unkeyed ${n}`
      const answer = await once((to) => to.post('/send-message', bodyOf(text, n)))
      if (answer?.status === 200 || answer?.status === 202) acknowledged.add(text)
      answers++
    }
    const inTurn = async (count: number, work: (n: number) => Promise<void>) => {
      for (const n of range(count)) await work(n)
    }
    const interrupt = async () => {
      for (const threshold of [10, 40, 80]) {
        await vi.waitFor(() => expect(answers).toBeGreaterThan(threshold), { ...PATIENCE, interval: 1 })
        await crash(withPostgres)
      }
    }
    await Promise.all([
      interrupt(),
      inTurn(KEYED / 2, (n) => keyed(n)),
      inTurn(KEYED / 2, (n) => keyed(KEYED / 2 + n)),
      inTurn(UNKEYED, unkeyed),
    ])

    const outbox = async (): Promise<{ message_id: string; text: string }[]> => {
      const { body } = await client().get(`/sandbox/instances/${instance}/outbox`)
      return body.data.messages
    }
    const timesOf = (texts: readonly string[], text: string) => texts.filter((other) => other === text).length
    expect(acknowledged.size).toBeGreaterThan(0)
    await vi.waitFor(async () => {
      const sent = (await outbox()).map(({ text }) => text)
      for (const text of [...ids.keys(), ...acknowledged]) expect(timesOf(sent, text), text).toBe(1)
      expect(new Set(sent).size, 'nothing is sent twice').toBe(sent.length)
    }, PATIENCE)
    const sent = await outbox()
    for (const { message_id, text } of sent) if (ids.has(text)) expect(ids.get(text)).toBe(message_id)
    await vi.waitFor(() => {
      const told = new Set(receiver.received.map(idOf))
      expect([...told].toSorted()).toEqual(sent.map(({ message_id }) => message_id).toSorted())
    }, PATIENCE)
  })
})
