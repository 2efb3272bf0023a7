import { expect, onTestFinished, vi } from 'vitest'
import { createClient, createConnectedInstance, incomingPayload, type Client } from '../support/client.ts'
import { range } from '../support/range.ts'
import { startReceiver, type Received } from '../support/receiver.ts'

/** Something that runs the API and is hit by misfortune; each call may meet another node, or one that is just gone. */
export type World = {
  /** Where to call now. */
  url(): Promise<string>
  token: string
  /** Kills something, and has it back when this resolves. */
  disturb(): Promise<void>
}

export const PATIENCE = { timeout: 90_000, interval: 50 }
const numberOf = (n: number) => String(5_511_900_000_000 + n)
const idOf = ({ data }: Received) => String(data['whatsapp_message_id'])

type Call = (client: Client) => ReturnType<Client['post']>

/** How a client calls that must not lose anything. */
export const callerOf = ({ url, token }: World) => {
  /** Undefined if the connection broke before there was an answer. */
  const once = async (call: Call) => {
    const to = await url()
    return call(createClient(to, token)).catch(() => undefined)
  }
  const persistently = async (call: Call): ReturnType<Call> => {
    for (;;) {
      const answer = await once(call)
      if (answer && answer.status < 500) return answer
    }
  }
  return { once, persistently }
}

/** A connected instance whose webhooks go to a receiver of the test. */
const prepare = async (
  world: World,
  events: readonly string[],
  answer?: Parameters<typeof startReceiver>[0],
) => {
  const instance = await createConnectedInstance(createClient(await world.url(), world.token))
  const receiver = await startReceiver(answer)
  onTestFinished(receiver.close)
  const { persistently } = callerOf(world)
  const { status } = await persistently((to) =>
    to.put(`/instances/${instance}/webhook`, { webhook_url: receiver.url, events }),
  )
  expect(status).toBe(200)
  return { instance, receiver }
}

/**
 * Messages come in, the receiver refuses each of them twice, and the world is disturbed three times: each is delivered,
 * those of a conversation in order, and stands in the log once.
 */
export const losesNoIncomingMessage = async (world: World, conversations = 20, each = 25) => {
  const { persistently } = callerOf(world)
  const tries = new Map<string, number>()
  const delivered = new Map<string, Set<string>>()
  const { instance, receiver } = await prepare(world, ['message.received'], (received) => {
    const id = idOf(received)
    const nth = (tries.get(id) ?? 0) + 1
    tries.set(id, nth)
    if (nth <= 2) return { status: 503 }
    const chat = String(received.data['sender_number'])
    delivered.set(chat, (delivered.get(chat) ?? new Set()).add(id))
    return { status: 200 }
  })
  const messageOf = (conversation: number, n: number) => `M-${conversation}-${n}`
  let acknowledged = 0
  const write = async (conversation: number) => {
    for (const n of range(each)) {
      const payload = incomingPayload(messageOf(conversation, n), numberOf(conversation))
      const { status } = await persistently((to) =>
        to.post(`/webhooks/instance/${instance}/incoming`, payload),
      )
      expect(status).toBe(200)
      acknowledged++
    }
  }
  const total = conversations * each
  const deliveries = () => [...delivered.values()].reduce((sum, { size }) => sum + size, 0)
  const interrupt = async () => {
    await vi.waitFor(() => expect(acknowledged).toBeGreaterThan(total * 0.2), PATIENCE)
    await world.disturb()
    await vi.waitFor(() => expect(deliveries()).toBeGreaterThan(total * 0.2), PATIENCE)
    await world.disturb()
    await vi.waitFor(() => expect(deliveries()).toBeGreaterThan(total * 0.6), PATIENCE)
    await world.disturb()
  }
  await Promise.all([interrupt(), ...range(conversations).map(write)])
  await vi.waitFor(() => expect(deliveries()).toBe(total), PATIENCE)
  for (const conversation of range(conversations))
    expect([...(delivered.get(numberOf(conversation)) ?? [])]).toEqual(
      range(each).map((n) => messageOf(conversation, n)),
    )
  await vi.waitFor(async () => {
    const { body } = await persistently((to) =>
      to.get(`/instances/${instance}/webhook/deliveries?state=open`),
    )
    expect(body.data.deliveries).toEqual([])
  }, PATIENCE)
  const { body: stats } = await persistently((to) => to.get(`/stats?instance_id=${instance}`))
  expect(stats.data.totals.received, 'messages in the log').toBe(total)
  console.info(`${receiver.received.length} posts for ${total} messages that take three each`)
}

/** Messages go out, some under a key and repeated, while the world is disturbed: each once, under one id, and told. */
export const sendsEachMessageOnce = async (world: World, keyedCount = 60, unkeyedCount = 60) => {
  const { once, persistently } = callerOf(world)
  const { instance, receiver } = await prepare(world, ['message.sent'])
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
    const all = keyedCount + unkeyedCount
    for (const threshold of [all * 0.1, all * 0.35, all * 0.7]) {
      await vi.waitFor(() => expect(answers).toBeGreaterThan(threshold), { ...PATIENCE, interval: 1 })
      await world.disturb()
    }
  }
  await Promise.all([
    interrupt(),
    inTurn(keyedCount / 2, (n) => keyed(n)),
    inTurn(keyedCount / 2, (n) => keyed(keyedCount / 2 + n)),
    inTurn(unkeyedCount, unkeyed),
  ])

  const outbox = async (): Promise<{ message_id: string; text: string }[]> => {
    const { body } = await persistently((to) => to.get(`/sandbox/instances/${instance}/outbox`))
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
}
