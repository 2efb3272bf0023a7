import { randomUUID } from 'node:crypto'
import { getEventListeners, setMaxListeners } from 'node:events'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import type { Definition } from '../../src/domain/automation.ts'
import { AutomationRun } from '../../src/domain/automation-run.ts'
import { Conversation } from '../../src/domain/conversation.ts'
import type { Turn } from '../../src/domain/flow.ts'
import type { Step } from '../../src/domain/flow-definition.ts'
import { conversationId, messageId } from '../../src/domain/ids.ts'
import { create, Instance } from '../../src/domain/instance.ts'
import type { Recorded } from '../../src/ports/event-store.ts'
import type { AutomationRow } from '../../src/projections/automations.ts'
import { isOf } from '../../src/projections/projection.ts'
import { createLaneRunner } from '../../src/reactions/lanes.ts'
import { createAutomationWork } from '../../src/reactions/run-automations.ts'
import { createConversations } from '../../src/write/conversations.ts'
import { createOutcomes } from '../../src/write/outcomes.ts'
import { createLocalTurns } from '../../src/local-turns.ts'
import { createQuota } from '../../src/write/quota.ts'
import { receiveWithoutFiles } from './receiving.ts'
import { createSend } from '../../src/write/send.ts'
import type { Transact } from '../../src/write/transact.ts'
import { AT, context, INSTANCE, JOHN, TENANT } from './facts.ts'
import type { TestLog } from './log.ts'
import { testMedia } from './media.ts'
import { startSubscriber } from './subscriber.ts'

export const flowOf = (...steps: Step[]): Definition => ({ trigger: { type: 'any' }, steps })
export const reply = (text: string) => ({ type: 'reply', text }) as const
export const ask = { type: 'ask', text: 'How old?', save_as: 'age' } as const
/** Says two things, waits, and says another one. */
export const survey = flowOf(reply('Hi {{name}}'), ask, reply('{{age}}, fine'))
export const integration: Definition = {
  url: 'https://example.com/bot',
  secret: 'a secret of theirs',
  timeout_seconds: 5,
}

export const automationRow = (number: number, definition: Definition): AutomationRow => ({
  id: `550e8400-e29b-41d4-a716-44665544030${number}`,
  number,
  tenant_id: TENANT,
  instance_id: INSTANCE,
  name: `Automation ${number}`,
  kind: 'steps' in definition ? 'flow' : 'integration',
  enabled: true,
  definition,
  created_at: AT,
  updated_at: AT,
})

/** The first write to a kind of aggregate fails, as if the program were killed there. */
export const dyingAt =
  (category: 'run' | 'conversation') =>
  (transact: Transact): Transact =>
  async (decider, ...rest) => {
    if (decider.category === category) throw new Error('Killed')
    return transact(decider, ...rest)
  }

type Question = { readonly conversation_uuid: string; readonly message: { readonly content: string } }
type Options = {
  /** What the integration answers. */
  readonly ask?: (question: Question) => Promise<Turn>
  /** What stands between automation and the log. */
  readonly writing?: (transact: Transact) => Transact
  readonly knownTags?: readonly string[]
}

/** An instance whose messages automation answers, put together as the application does, on a log of its own. */
export const startAutomated = async (log: TestLog, definitions: Definition[]) => {
  const { transact, load, recall, store, pool, run } = log
  const numbers = postgresNumbers(pool)
  const hasAutomation = () => Promise.resolve(true)
  const conversations = createConversations({ transact, load, recall, numbers, hasAutomation })
  const { startConversation, find: findConversation } = conversations
  const receive = receiveWithoutFiles({ transact, load, numbers, startConversation })
  const outcomes = createOutcomes(store, () => {})
  const send = createSend({
    transact,
    load,
    recall,
    numbers,
    startConversation,
    findConversation,
    outcomes,
    hasAutomation,
    quota: createQuota({
      inTurn: createLocalTurns(),
      byDefault: 0,
      timeZoneOf: () => Promise.resolve('UTC'),
      sentSince: () => Promise.resolve(0),
      waiting: () => Promise.resolve(0),
    }),
    timeoutMs: 1000,
  })
  const made = create({ number: 1, name: 'Shop', provider: 'sandbox', hookSecret: 's', at: AT })
  await transact(Instance, INSTANCE, made, context)
  const media = await testMedia(log)
  const subscriber = startSubscriber(store)
  run({
    run: (signal) =>
      new Promise<void>((done) => signal.addEventListener('abort', () => done(subscriber.stop()))),
  })

  const rows = definitions.map((definition, n) => automationRow(n + 1, definition))

  /** A program that answers; `stop` as a program stops. */
  const startProgram = ({ ask, writing = (plain) => plain, knownTags = [] }: Options = {}) => {
    const errors: unknown[] = []
    const stopping = new AbortController()
    const runner = createLaneRunner({
      pool,
      store,
      work: createAutomationWork({
        transact: writing(transact),
        load,
        send,
        attach: media.attach,
        ask: async (_, question) => {
          if (!ask) throw new Error('Nobody is to be asked')
          return ask(question as Question)
        },
        enabledOf: async () => rows,
        isFirst: async ({ data }) => data.number === 1,
        knownTags: async (_, ids) => ids.filter((id) => knownTags.includes(id)),
      }),
      atOnce: 2,
      unfinishedMax: 100,
      onError: (error) => errors.push(error),
    })
    let stopped: Promise<void> | undefined
    let until = stopping.signal
    run({
      run: (signal) => {
        until = AbortSignal.any([signal, stopping.signal])
        // As that of a lease: whoever waits for an integration listens to it.
        setMaxListeners(0, until)
        return (stopped = runner.run(until))
      },
    })
    const listeners = () => getEventListeners(until, 'abort').length
    return { errors, listeners, status: runner.status, stop: () => (stopping.abort(), stopped) }
  }

  /** Somebody writes; the WhatsApp id is the text. */
  const hear = async (text: string, chat = JOHN) => {
    const words = { whatsappId: text, chat, fromMe: false, sender: chat, senderName: 'John' }
    const content = { kind: 'text', text } as const
    await receive.message(INSTANCE, { ...words, content, at: AT }, { ...context, correlation: randomUUID() })
    return messageId(INSTANCE, text)
  }

  const ofType = (type: Recorded['type']) => subscriber.events.filter((event) => event.type === type)
  return {
    rows,
    startProgram,
    hear,
    startConversation,
    findConversation,
    /** What was said to somebody, in the order of the log. */
    said: (chat = JOHN) =>
      subscriber.events.flatMap((event) =>
        isOf(event, 'MessageQueued') && event.data.chat === chat
          ? [event.data.content.kind === 'text' ? event.data.content.text : event.data.content.kind]
          : [],
      ),
    ofType,
    conversation: async (chat = JOHN) => (await load(Conversation, conversationId(INSTANCE, chat))).state,
    /** What runs did in a chat. */
    runs: async (chat = JOHN) => {
      const events = await store.readStream(`run-${conversationId(INSTANCE, chat)}`)
      return events.map(({ type, data }) => {
        const name = type.replace('AutomationRun', '').toLowerCase()
        return 'outcome' in data ? `${name}: ${String(data.outcome)}` : name
      })
    },
    run: async (chat = JOHN) => (await load(AutomationRun, conversationId(INSTANCE, chat))).state,
  }
}
