import { describe, expect, test } from 'vitest'
import { messageId } from '../../src/domain/ids.ts'
import { create, Instance, mustBeConnected, report } from '../../src/domain/instance.ts'
import {
  accept,
  acknowledge,
  fail,
  Message,
  queue,
  react,
  type MessageEvent,
} from '../../src/domain/message.ts'
import { START } from '../../src/ports/event-store.ts'
import { createTransact } from '../../src/write/transact.ts'
import { AT, context, INSTANCE, messageStream, outgoing, placeIn, JOHN } from '../support/facts.ts'
import { testLog } from '../support/log.ts'
import { range } from '../support/range.ts'

const id = messageId(INSTANCE, 'hello')
const stream = messageStream('hello')

/** Two programs on one database, the first of which remembers a queued message that the other then takes further. */
const twoPrograms = async () => {
  const first = await testLog()
  const second = first.openProcess()
  await first.transact(Message, id, queue(outgoing()), context, { expectNew: true })
  const types = async () => (await first.store.readStream(stream)).map(({ type }) => type)
  return { first, second, types }
}

describe('a decision', () => {
  test('is stored with who asked, in which version and when, and answers where', async () => {
    const { transact, store } = await testLog()
    const before = new Date().toISOString()
    const { state, events, position } = await transact(Message, id, queue(outgoing()), {
      ...context,
      causation: 'cause',
    })
    const [stored] = await store.readStream(stream)
    expect(stored).toMatchObject({ type: 'MessageQueued', data: outgoing(), revision: 0, position })
    expect(stored?.meta).toEqual({ ...context, causation: 'cause', version: 1, at: expect.any(String) })
    expect(Date.parse(stored?.meta.at ?? '')).toBeGreaterThanOrEqual(Date.parse(before))
    expect(state.status).toBe('queued')
    expect(events).toHaveLength(1)
  })

  test('that decides nothing writes nothing and answers the present state', async () => {
    const { transact, store } = await testLog()
    expect(await transact(Message, id, accept(AT), context)).toMatchObject({ events: [], position: START })
    const queued = await transact(Message, id, queue(outgoing()), context)
    const again = await transact(Message, id, queue(outgoing()), context, { expectNew: true })
    expect(again).toEqual({ state: queued.state, events: [], position: queued.position })
    expect(await store.readStream(stream)).toHaveLength(1)
  })

  test('is counted once it is stored', async () => {
    const { store } = await testLog()
    const counted: unknown[] = []
    const { transact } = createTransact(store, (...count) => counted.push(count))
    await transact(Message, id, queue(outgoing()), context)
    await transact(Message, id, acknowledge('read', AT), context)
    await transact(Message, id, acknowledge('read', AT), context)
    expect(counted).toEqual([
      ['message', 1],
      ['message', 2],
    ])
  })
})

describe('what another program wrote meanwhile', () => {
  test('makes a decision be taken again: no event twice', async () => {
    const { first, second, types } = await twoPrograms()
    await second.transact(Message, id, accept(AT), context)
    const { events } = await first.transact(Message, id, acknowledge('delivered', AT), context)
    expect(events.map(({ type }) => type)).toEqual(['MessageDelivered'])
    expect(await types()).toEqual(['MessageQueued', 'MessageSent', 'MessageDelivered'])
  })

  test('may leave nothing to decide', async () => {
    const { first, second, types } = await twoPrograms()
    await second.transact(Message, id, fail('no such number', AT), context)
    const { state, events } = await first.transact(Message, id, accept(AT), context)
    expect([state.status, events]).toEqual(['failed', []])
    expect(await types()).toEqual(['MessageQueued', 'MessageFailed'])
  })

  test('is seen before it is answered that there is nothing to do', async () => {
    const { first, second } = await twoPrograms()
    await second.transact(Message, id, acknowledge('read', AT), context)
    const { state } = await first.transact(Message, id, queue(outgoing()), context, { expectNew: true })
    expect(state.status).toBe('read')
  })

  test('is seen by whoever loads', async () => {
    const { first, second } = await twoPrograms()
    const { position } = await second.transact(Message, id, accept(AT), context)
    expect(await first.load(Message, id)).toMatchObject({ revision: 1, position, state: { status: 'sent' } })
  })

  const made = create({ number: 1, name: 'Shop', provider: 'sandbox', hookSecret: 's', at: AT })
  const up = report({ status: 'connected', phoneNumber: '5511999999999', at: AT })
  const down = report({ status: 'offline', at: AT })
  /** Changes the connection, if WhatsApp can be reached. */
  const demanding = (state: Instance) => {
    mustBeConnected(state)
    return report({ status: 'connected', phoneNumber: '5511888888888', at: AT })(state)
  }

  test('lifts a refusal that was right before', async () => {
    const { transact, openProcess } = await testLog()
    await transact(Instance, INSTANCE, made, context)
    await openProcess().transact(Instance, INSTANCE, up, context)
    const { events } = await transact(Instance, INSTANCE, demanding, context)
    expect(events).toHaveLength(1)
  })

  test('leads to a refusal that was wrong before', async () => {
    const { transact, openProcess, store } = await testLog()
    await transact(Instance, INSTANCE, made, context)
    await transact(Instance, INSTANCE, up, context)
    await openProcess().transact(Instance, INSTANCE, down, context)
    await expect(transact(Instance, INSTANCE, demanding, context)).rejects.toMatchObject({
      code: 'INSTANCE_NOT_CONNECTED',
      details: { status: 'offline' },
    })
    expect(await store.readStream(`instance-${INSTANCE}`)).toHaveLength(3)
  })
})

describe('many at the same time', () => {
  test('the same request through two programs is taken once', async () => {
    const log = await testLog()
    const programs = [log, log.openProcess()]
    const answers = await Promise.all(
      range(20).map((n) =>
        (programs[n % 2] ?? log).transact(Message, id, queue(outgoing('hello', { number: n + 1 })), context, {
          expectNew: true,
        }),
      ),
    )
    expect(await log.store.readStream(stream)).toHaveLength(1)
    expect(new Set(answers.map(({ state }) => state.body?.number)).size).toBe(1)
  })

  test('decisions about one aggregate all find their turn, through two programs', async () => {
    const log = await testLog()
    const programs = [log, log.openProcess()]
    const reactions = range(40).map((n) =>
      react({
        ...placeIn(JOHN),
        conversationNumber: 1,
        targetWhatsappId: 'hello',
        by: `55119000000${n}@s.whatsapp.net`,
        fromMe: false,
        emoji: '👍',
        at: AT,
      }),
    )
    await Promise.all(
      reactions.map((decide, n) => (programs[n % 2] ?? log).transact(Message, id, decide, context)),
    )
    expect(await log.store.readStream(stream)).toHaveLength(40)
  })
})

describe('nothing gets into the log', () => {
  test.each([
    [
      'of a type that is not in the catalogue',
      '{"type":"MessageBlessed","data":{}}',
      /MessageBlessed is not in/,
    ],
    [
      'that lacks a field',
      '{"type":"MessageFailed","data":{}}',
      /MessageFailed does not fit its schema.*reason/,
    ],
    [
      'whose field is out of bounds',
      JSON.stringify({ type: 'MessageQueued', data: outgoing('hello', { number: 0 }) }),
      /number must be >= 1/,
    ],
    [
      'whose time is none',
      JSON.stringify({ type: 'MessageQueued', data: outgoing('hello', { at: 'yesterday' }) }),
      /at must match format/,
    ],
  ])('%s', async (_name, json, complaint) => {
    const { transact, store } = await testLog()
    const good: MessageEvent = { type: 'MessageQueued', data: outgoing() }
    const bad: MessageEvent = JSON.parse(json)
    await expect(transact(Message, id, () => [good, bad], context)).rejects.toThrow(complaint)
    expect(await store.head()).toBe(START)
  })
})
