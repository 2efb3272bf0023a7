import { randomUUID } from 'node:crypto'
import { Kysely, PostgresDialect } from 'kysely'
import { sandboxGateway } from '../../src/adapters/sandbox/gateway.ts'
import { upcast } from '../../src/domain/catalogue.ts'
import { idOfStream } from '../../src/domain/decider.ts'
import { messageId } from '../../src/domain/ids.ts'
import { create, Instance } from '../../src/domain/instance.ts'
import { Message, queue, type QueuedMessage } from '../../src/domain/message.ts'
import type { Gateway } from '../../src/ports/gateway.ts'
import type { Database } from '../../src/projections/database.ts'
import { outbox, outboxRow, waitingMessages } from '../../src/projections/outbox.ts'
import { isOf } from '../../src/projections/projection.ts'
import { createMark } from '../../src/projections/mark.ts'
import { createProjectionRunner } from '../../src/projections/runner.ts'
import { follow } from '../../src/reactions/follow.ts'
import { createSender } from '../../src/reactions/send-messages.ts'
import { createConversations } from '../../src/write/conversations.ts'
import { listenerOf } from '../../src/write/receive.ts'
import { receiveWithoutFiles } from './receiving.ts'
import type { Load } from '../../src/write/transact.ts'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { AT, context, INSTANCE, outgoing, TENANT } from './facts.ts'
import type { TestLog } from './log.ts'
import { eventually } from './eventually.ts'
import { gate } from './subscriber.ts'

const WAIT_MS = 10_000
type Process = Pick<TestLog, 'pool' | 'store' | 'transact' | 'load' | 'recall'>
type Options = {
  /** What stands between the sender and the sandbox. */
  readonly between?: (sandbox: Gateway) => Gateway
  /** What stands between the sender and the log. */
  readonly loading?: (load: Load) => Load
}

/** The sending part of a program: outbox, sender and a sandbox phone, put together as the application does. */
export const startSending = async (
  { run }: TestLog,
  { pool, store, transact, load, recall }: Process,
  { between = (gateway) => gateway, loading = (plain) => plain }: Options = {},
) => {
  const errors: unknown[] = []
  const onError = (error: unknown) => void errors.push(error)
  const numbers = postgresNumbers(pool)
  const { startConversation } = createConversations({
    transact,
    load,
    recall,
    numbers,
    hasAutomation: () => Promise.resolve(false),
  })
  const receive = receiveWithoutFiles({ transact, load, numbers, startConversation })
  const sandbox = sandboxGateway(pool, onError)
  const gateway = between(sandbox)
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })

  const mark = createMark({ name: outbox.name })
  const runner = createProjectionRunner({ pool, store, projection: outbox, mark, onError })
  await runner.prepare()
  let projecting = new AbortController()
  const startOutbox = () => {
    const { signal: paused } = (projecting = new AbortController())
    run({ run: (signal) => runner.run(AbortSignal.any([signal, paused])) })
  }
  startOutbox()

  const listWasEmpty = gate()
  const sender = createSender({
    transact,
    load: loading(load),
    gatewayOf: () => gateway,
    isOwner: () => Promise.resolve(true),
    head: () => store.head(),
    waiting: async (instanceId, upTo, limit) => {
      if (!(await mark.reached(upTo, WAIT_MS))) throw new Error('The outbox is behind')
      const found = await waitingMessages(db, instanceId, limit)
      if (found.length === 0) listWasEmpty.open()
      return found
    },
    onOutcome: () => {},
    onError,
  })
  const listener = listenerOf(receive, { id: INSTANCE, tenantId: TENANT, term: 1 }, randomUUID)
  const open = () =>
    sandbox.open(
      { instanceId: INSTANCE, term: 1, importsPast: false },
      {
        ...listener,
        connection: async (report) => {
          await listener.connection(report)
          if (report.status === 'connected') void sender.drain(INSTANCE)
        },
      },
    )

  const made = create({ number: 1, name: 'Shop', provider: 'sandbox', hookSecret: 's', at: AT })
  await transact(Instance, INSTANCE, made, context)
  const stopping = new AbortController()
  run({
    run: (signal) =>
      follow(
        {
          store,
          begin: async (head) => {
            await mark.reached(head, WAIT_MS)
            sender.begin()
            await open()
          },
          each: (event) => {
            if (isOf(event, 'MessageQueued')) sender.queued(outboxRow(upcast(event)), event.position)
            if (isOf(event, 'ConversationMerged'))
              sender.unite(idOfStream(event.stream), upcast(event).data.into)
          },
          onError,
        },
        AbortSignal.any([signal, stopping.signal]),
      ),
  })

  return {
    sandbox,
    errors,
    /** Pairs the phone: when this resolves it is connected, and the sender knows that nothing waits. */
    pair: async () => {
      await sandbox.scan(INSTANCE, { phoneNumber: '5511777777777' })
      await listWasEmpty.opened
    },
    /** Opens the session again after its connection dropped. */
    reopen: open,
    /** Queues a text; its WhatsApp id is the text. */
    queue: async (text: string, change: Partial<QueuedMessage> = {}) => {
      const message = outgoing(text, { number: await numbers('message'), ...change })
      return transact(Message, messageId(INSTANCE, text), queue(message), context)
    },
    /** What WhatsApp got, in order of arrival; what came more than once has the number of times behind. */
    arrived: async () =>
      (await sandbox.outbox(INSTANCE, { limit: 1000 })).map(({ whatsappId, timesReceived }) =>
        timesReceived === 1 ? whatsappId : `${whatsappId} x${timesReceived}`,
      ),
    types: async (text: string) =>
      (await store.readStream(`message-${messageId(INSTANCE, text)}`)).map(({ type }) => type),
    /** Waits until WhatsApp's word about messages is in the log. */
    settled: (...texts: string[]) =>
      eventually(async () => {
        for (const text of texts) {
          const { state } = await load(Message, messageId(INSTANCE, text))
          if (state.status === 'queued') throw new Error(`${text} waits`)
        }
      }),
    pauseOutbox: () => projecting.abort(),
    resumeOutbox: startOutbox,
    stop: () => stopping.abort(),
  }
}
