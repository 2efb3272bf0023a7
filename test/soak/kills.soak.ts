import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { expect, it, onTestFinished } from 'vitest'
import { createClient, createConnectedInstance, incomingPayload } from '../support/client.ts'
import { startProgram, type Program } from '../support/program.ts'
import { range } from '../support/range.ts'
import { startReceiver } from '../support/receiver.ts'
import { startEngines } from '../e2e/engines.ts'
import { ADMIN } from '../e2e/home.ts'

const EVENTS = Number(process.env['SOAK_EVENTS'] ?? 100_000)
const CONVERSATIONS = 200
const NODES = 2
const LOOK_MS = 250
const SAY_MS = 5000

const numberOf = (conversation: number) => String(5_511_900_000_000 + conversation)
const idOf = (conversation: number, n: number) => `S-${conversation}-${n}`
/** Conversation and place of an id made above. */
const placeIn = (id: string) => id.split('-').slice(1).map(Number)

/** Whether everything arrived, and how often something came before what should come before it. */
const createTally = () => {
  const next = new Map<number, number>()
  const early = new Set<string>()
  let arrived = 0
  let again = 0
  return {
    arrive: (id: string) => {
      const [conversation = -1, n = -1] = placeIn(id)
      const expected = next.get(conversation) ?? 0
      if (n < expected) again++
      else {
        if (n > expected) early.add(id)
        next.set(conversation, n + 1)
        arrived++
      }
    },
    arrived: () => arrived,
    again: () => again,
    early,
  }
}

/** A service of somebody else: reads the topic from its beginning, and counts. */
const startService = async (brokers: string, topic: string, arrive: (id: string) => void) => {
  const retry = { initialRetryTime: 100, maxRetryTime: 2000, retries: 20, restartOnFailure: async () => true }
  const kafka = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING, retry })
  const consumer = kafka.consumer({ groupId: `${topic}.soak`, maxWaitTimeInMs: 500, retry })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachMessage: ({ message }) => {
      const { type, data } = JSON.parse(message.value?.toString() ?? '')
      if (type === 'message.received') arrive(data.whatsapp_message_id)
      return Promise.resolve()
    },
  })
  return { stop: () => consumer.disconnect() }
}

it(`${EVENTS} messages: none is lost, whatever is killed`, async () => {
  const engines = await startEngines(['eventstore', 'kafka'])
  onTestFinished(engines.remove)
  const start = () =>
    startProgram({
      ...engines.environment,
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      OUTBOUND_ALLOW: '127.0.0.0/8',
      RATE_LIMIT_REQUESTS: '0',
      WEBHOOK_RETRY_SECONDS: `0.1,0.2,0.5,${Array(30).fill('1').join(',')}`,
    })
  const nodes: Program[] = await Promise.all(range(NODES).map(start))
  onTestFinished(async () => void (await Promise.all(nodes.map((node) => node.kill()))))
  const nodeOf = (n: number) => nodes[n % NODES]?.url ?? ''
  const { body: login } = await createClient(nodeOf(0)).post('/auth/login', ADMIN)
  const admin = (n: number) => createClient(nodeOf(n), login.data.token)
  const instance = await createConnectedInstance(admin(0))

  const [webhooks, records] = [createTally(), createTally()]
  const receiver = await startReceiver(({ data }) => {
    webhooks.arrive(String(data['whatsapp_message_id']))
    return { status: 200 }
  })
  onTestFinished(receiver.close)
  await admin(0).put(`/instances/${instance}/webhook`, {
    webhook_url: receiver.url,
    events: ['message.received'],
  })
  const service = await startService(engines.kafka?.plain ?? '', `${engines.prefix}.messages`, records.arrive)
  onTestFinished(service.stop)

  let acknowledged = 0
  const each = EVENTS / CONVERSATIONS
  const write = async (conversation: number) => {
    for (const n of range(each)) {
      const payload = incomingPayload(idOf(conversation, n), numberOf(conversation))
      for (let attempt = conversation; ; attempt++) {
        const answer = await admin(attempt)
          .post(`/webhooks/instance/${instance}/incoming`, payload)
          .catch(() => undefined)
        if (answer?.status === 200) break
        if (answer && answer.status < 500) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
        await sleep(LOOK_MS)
      }
      acknowledged++
    }
  }

  const begun = performance.now()
  const seconds = () => Math.round((performance.now() - begun) / 1000)
  const say = (text: string) =>
    console.info(
      `${String(seconds()).padStart(4)} s  appended ${acknowledged}  in Kafka ${records.arrived()}  delivered ${webhooks.arrived()}  ${text}`,
    )
  const isDone = () => webhooks.arrived() >= EVENTS && records.arrived() >= EVENTS
  const saying = setInterval(() => say(''), SAY_MS)
  onTestFinished(() => clearInterval(saying))

  const kills: [share: number, name: string, kill: () => Promise<void>][] = [
    [0.15, 'broker killed', async () => void (await engines.kafka?.kill(), await engines.kafka?.start())],
    [
      0.3,
      'store killed',
      async () => void (await engines.eventStore?.kill(), await engines.eventStore?.restart()),
    ],
    [0.45, 'node killed', async () => void (await nodes[0]?.kill(), (nodes[0] = await start()))],
    [
      0.6,
      'broker and store killed',
      async () => {
        await Promise.all([engines.kafka?.kill(), engines.eventStore?.kill()])
        await Promise.all([engines.kafka?.start(), engines.eventStore?.restart()])
      },
    ],
    [
      0.75,
      'every node killed',
      async () => {
        await Promise.all(nodes.map((node) => node.kill()))
        nodes.splice(0, NODES, ...(await Promise.all(range(NODES).map(start))))
      },
    ],
  ]
  const disturb = async () => {
    for (const [share, name, kill] of kills) {
      while (acknowledged < EVENTS * share) await sleep(LOOK_MS)
      say(name)
      await kill()
      say('and back')
    }
  }
  await Promise.all([disturb(), ...range(CONVERSATIONS).map(write)])
  say('all appended')
  while (!isDone()) await sleep(LOOK_MS)
  say('all delivered')

  const { body: stats } = await admin(0).get(`/stats?instance_id=${instance}`)
  console.info(
    [
      `${EVENTS} messages in ${seconds()} s (${Math.round(EVENTS / seconds())}/s): in the log ${stats.data.totals.received}`,
      `delivered ${webhooks.arrived()}, ${webhooks.again()} of them again, ${webhooks.early.size} out of order`,
      `records ${records.arrived()}, ${records.again()} of them again, ${records.early.size} out of order`,
    ].join('\n'),
  )
  expect(stats.data.totals.received).toBe(EVENTS)
  expect([webhooks.arrived(), webhooks.early.size]).toEqual([EVENTS, 0])
  expect([records.arrived(), records.early.size]).toEqual([EVENTS, 0])
})
