import { describe, expect, onTestFinished, test } from 'vitest'
import { Instance, create, report } from '../../src/domain/instance.ts'
import { accept, acknowledge, Message, queue, receive } from '../../src/domain/message.ts'
import { messageId } from '../../src/domain/ids.ts'
import type { PublicEvent } from '../../src/domain/public-events.ts'
import type { Bus } from '../../src/ports/bus.ts'
import { START, type Position } from '../../src/ports/event-store.ts'
import { readCheckpoint } from '../../src/projections/checkpoint.ts'
import { relay } from '../../src/reactions/relay.ts'
import { createReactionRunner } from '../../src/reactions/runner.ts'
import { noErasures } from '../support/erasures.ts'
import { AT, context, incoming, INSTANCE, MARY, outgoing, placeIn } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

/** A bus that keeps what is published; `before` may hold a publication up or make it fail. */
const recordingBus = () => {
  const attempts: (readonly PublicEvent[])[] = []
  const published: PublicEvent[] = []
  const hooks = { before: async (): Promise<void> => {} }
  const bus: Pick<Bus, 'publish'> = {
    publish: async (events) => {
      attempts.push(events)
      await hooks.before()
      published.push(...events)
    },
  }
  return { bus, attempts, published, hooks }
}

type Ready = (position: Position) => Promise<void>
const startRelay = (
  { pool, store }: Pick<TestLog, 'pool' | 'store'>,
  bus: Pick<Bus, 'publish'>,
  ready: Ready = async () => {},
) => {
  const errors: unknown[] = []
  const stopping = new AbortController()
  const reaction = relay({ store, bus, erasures: noErasures, ready })
  const runner = createReactionRunner({ pool, store, reaction, onError: (error) => errors.push(error) })
  const stopped = runner.run(stopping.signal)
  const stop = async () => {
    stopping.abort()
    await stopped
  }
  onTestFinished(stop)
  return { errors, stop }
}

const id = messageId(INSTANCE, 'hello')
const take = ({ transact }: TestLog) => transact(Message, id, queue(outgoing()), context)
const advance = ({ transact }: TestLog, status: 'sent' | 'delivered' | 'read' | 'played') =>
  transact(Message, id, status === 'sent' ? accept(AT) : acknowledge(status, AT), context)

/** What was told of statuses, as `before > after`. */
const steps = (events: readonly PublicEvent[]) =>
  events.map((event) =>
    event.type === 'message.status' ? `${event.data.previous_status} > ${event.data.new_status}` : event.type,
  )

describe('the relay', () => {
  test('tells what happens in the order of the log', async () => {
    const log = await testLog()
    const { bus, published } = recordingBus()
    startRelay(log, bus)
    const made = create({ number: 1, name: 'Shop', provider: 'sandbox', hookSecret: 's', at: AT })
    await log.transact(Instance, INSTANCE, made, context)
    for (const change of [
      { status: 'qr_ready', qr: 'a', at: AT },
      { status: 'connected', phoneNumber: '5511777777777', at: AT },
    ] as const)
      await log.transact(Instance, INSTANCE, report(change), context)
    await take(log)
    const other = incoming('hi', { ...placeIn(MARY), chat: MARY, sender: MARY })
    await log.transact(Message, messageId(INSTANCE, 'hi'), receive(other, false), context)
    for (const status of ['sent', 'delivered', 'read'] as const) await advance(log, status)
    await eventually(() => expect(published).toHaveLength(6))
    expect(steps(published)).toEqual([
      'instance.qr',
      'instance.connected',
      'message.received',
      'message.sent',
      'sent > delivered',
      'delivered > read',
    ])
    const [qr, connected, received, sent] = published
    expect([qr?.key, connected?.key]).toEqual([INSTANCE, INSTANCE])
    expect([received?.key, sent?.key]).toEqual([placeIn(MARY).conversationId, outgoing().conversationId])
    expect(connected?.data).toMatchObject({ previous_status: 'qr_ready', new_status: 'connected' })
    expect(new Set(published.map((event) => event.id)).size).toBe(6)
  })

  test('moves its checkpoint only after the bus has the events', async () => {
    const log = await testLog()
    const { bus, attempts, hooks } = recordingBus()
    const { opened, open } = gate()
    hooks.before = () => opened
    startRelay(log, bus)
    await take(log)
    const { position } = await advance(log, 'sent')
    await eventually(() => expect(attempts.length).toBeGreaterThan(0))
    expect(await readCheckpoint(log.pool, 'relay')).toBeLessThan(position)
    open()
    await eventually(async () => expect(await readCheckpoint(log.pool, 'relay')).toBe(position))
  })

  test('tells nothing before those who decide who gets it know as much', async () => {
    const log = await testLog()
    const { bus, attempts, published } = recordingBus()
    const { opened, open } = gate()
    const asked: Position[] = []
    startRelay(log, bus, (position) => (asked.push(position), opened))
    await take(log)
    const { position } = await advance(log, 'sent')
    await eventually(() => expect(asked.length).toBeGreaterThan(0))
    expect(attempts).toEqual([])
    open()
    await eventually(() => expect(published).toHaveLength(1))
    expect(asked.at(-1)).toBe(position)
  })

  test('tells the same events again after a failure, with the same statuses before', async () => {
    const log = await testLog()
    const { bus, attempts, published, hooks } = recordingBus()
    let failures = 2
    hooks.before = async () => {
      if (failures-- > 0) throw new Error('The bus is away')
    }
    await take(log)
    for (const status of ['sent', 'delivered', 'read'] as const) await advance(log, status)
    const { errors } = startRelay(log, bus)
    await eventually(() => expect(published).toHaveLength(3))
    expect(attempts).toHaveLength(3)
    expect(attempts[0]).toEqual(attempts[1])
    expect(attempts[1]).toEqual(attempts[2])
    expect(steps(published)).toEqual(['message.sent', 'sent > delivered', 'delivered > read'])
    expect(errors).toHaveLength(2)
  })

  test('knows after a restart in the middle of a message what its status was', async () => {
    const log = await testLog()
    const first = recordingBus()
    const { stop } = startRelay(log, first.bus)
    await take(log)
    await advance(log, 'sent')
    await eventually(() => expect(first.published).toHaveLength(1))
    await stop()
    await advance(log, 'delivered')
    await advance(log, 'read')

    const second = recordingBus()
    startRelay(log, second.bus)
    await eventually(() => expect(second.published).toHaveLength(2))
    expect(steps(second.published)).toEqual(['sent > delivered', 'delivered > read'])
  })

  test('told a batch that it has told before, tells the same', async () => {
    const log = await testLog()
    await take(log)
    for (const status of ['sent', 'delivered', 'read'] as const) await advance(log, status)
    const { bus, attempts } = recordingBus()
    const { handle } = relay({ store: log.store, bus, erasures: noErasures, ready: async () => {} })
    const events = await log.store.readStream(`message-${id}`)
    const [whole, end] = [events, events.slice(2)]
    for (const batch of [whole, whole, end, end]) await handle(batch, log.signal)
    expect(attempts.map(steps)).toEqual([
      ['message.sent', 'sent > delivered', 'delivered > read'],
      ['message.sent', 'sent > delivered', 'delivered > read'],
      ['sent > delivered', 'delivered > read'],
      ['sent > delivered', 'delivered > read'],
    ])
    expect(attempts[1]).toEqual(attempts[0])
  })

  test('goes past what nobody outside is told of', async () => {
    const log = await testLog()
    const { bus, attempts } = recordingBus()
    startRelay(log, bus)
    const { position } = await take(log)
    await eventually(async () => expect(await readCheckpoint(log.pool, 'relay')).toBe(position))
    expect(attempts).toEqual([])
    expect(position).toBeGreaterThan(START)
  })

  test('runs twice at once, one of them stuck for a while: nothing is missing, and what comes first comes in order', async () => {
    const log = await testLog()
    const [stuck, quick] = [recordingBus(), recordingBus()]
    const published: string[] = []
    const onto = ({ bus }: typeof stuck): Pick<Bus, 'publish'> => ({
      publish: async (events) => {
        await bus.publish(events)
        published.push(...events.map(({ id }) => id))
      },
    })
    startRelay(log, onto(stuck))
    const say = async (n: number) => {
      const words = incoming(`m${n}`, { ...placeIn(MARY), chat: MARY, sender: MARY, number: n + 1 })
      await log.transact(Message, messageId(INSTANCE, `m${n}`), receive(words, false), context)
    }
    for (let n = 0; n < 10; n++) await say(n)
    await eventually(() => expect(published).toHaveLength(10))
    const { opened, open } = gate()
    stuck.hooks.before = () => opened
    for (let n = 10; n < 20; n++) await say(n)
    startRelay(log.openProcess(), onto(quick))
    for (let n = 20; n < 30; n++) await say(n)
    await eventually(() => expect(new Set(published).size).toBe(30))
    open()
    for (let n = 30; n < 40; n++) await say(n)
    await eventually(() => expect(stuck.published).toHaveLength(40))
    await eventually(() => expect(new Set(published).size).toBe(40))
    const inOrder = stuck.published.map(({ id }) => id)
    expect([...new Set(published)]).toEqual(inOrder)
  })
})
