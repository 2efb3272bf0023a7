import { describe, expect, test } from 'vitest'
import { sandboxGateway } from '../../src/adapters/sandbox/gateway.ts'
import { merge } from '../../src/domain/conversation-merge.ts'
import { Conversation, start as begin, type ConversationEvent } from '../../src/domain/conversation.ts'
import { conversationId, messageId } from '../../src/domain/ids.ts'
import { Message, queue } from '../../src/domain/message.ts'
import type { Gateway } from '../../src/ports/gateway.ts'
import { outboxRow } from '../../src/projections/outbox.ts'
import { isOf } from '../../src/projections/projection.ts'
import { createSender } from '../../src/reactions/send-messages.ts'
import { AT, context, INSTANCE, JOHN, MARY, messageStream, outgoing, placeIn } from '../support/facts.ts'
import { testLog } from '../support/log.ts'
import { range } from '../support/range.ts'
import { startSending } from '../support/sending.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

const HIDDEN = '171234567890123@lid'
const toMary = { ...placeIn(MARY), chat: MARY }

const start = async (
  ...rest: Parameters<typeof startSending> extends [unknown, unknown, ...infer R] ? R : never
) => {
  const log = await testLog()
  const sending = await startSending(log, log, ...rest)
  await sending.pair()
  return { ...log, ...sending }
}

describe('a queued message', () => {
  test('is handed to WhatsApp once, and recorded as sent', async () => {
    const { queue, settled, arrived, types, errors } = await start()
    await queue('hello')
    await settled('hello')
    expect(await arrived()).toEqual(['hello'])
    expect(await types('hello')).toEqual(['MessageQueued', 'MessageSent'])
    expect(errors).toEqual([])
  })

  test('that WhatsApp refuses has failed, with the reason', async () => {
    const { sandbox, queue, settled, arrived, load } = await start()
    await sandbox.fail(INSTANCE, { on: 'send', outcome: 'refuse', times: 1, reason: 'no such number' })
    await queue('hello')
    await settled('hello')
    const { state } = await load(Message, messageId(INSTANCE, 'hello'))
    expect(state).toMatchObject({ status: 'failed', reason: 'no such number' })
    expect(await arrived()).toEqual([])
  })

  test('whose answer got lost is sent again under its id: WhatsApp shows it once', async () => {
    const { sandbox, queue, settled, arrived, types } = await start()
    await sandbox.fail(INSTANCE, { on: 'send', outcome: 'lost_ack', times: 1 })
    await queue('hello')
    await settled('hello')
    expect(await arrived()).toEqual(['hello x2'])
    expect(await types('hello')).toEqual(['MessageQueued', 'MessageSent'])
  })

  test('is tried again while WhatsApp is not there', async () => {
    const { sandbox, queue, settled, arrived } = await start()
    await sandbox.fail(INSTANCE, { on: 'send', outcome: 'unavailable', times: 2 })
    await queue('hello')
    await settled('hello')
    expect(await arrived()).toEqual(['hello'])
  })

  test('that is a reaction shows on the message it is about', async () => {
    const { queue, settled, load } = await start()
    await queue('hello')
    await settled('hello')
    await queue('thumb', { content: { kind: 'reaction', targetWhatsappId: 'hello', emoji: '👍' } })
    await settled('thumb')
    const { state } = await load(Message, messageId(INSTANCE, 'hello'))
    expect(state.reactions).toEqual({ '5511777777777@s.whatsapp.net': '👍' })
  })

  test('whose sender crashed between send and record is sent again under its id by the next one', async () => {
    const first = await start({
      between: (sandbox) => ({
        ...sandbox,
        send: async (message) => {
          await sandbox.send(message)
          return new Promise(() => {})
        },
      }),
    })
    await first.queue('hello')
    await eventually(async () => expect(await first.arrived()).toEqual(['hello']))
    first.stop()
    expect(await first.types('hello')).toEqual(['MessageQueued'])

    const second = await startSending(first, first.openProcess())
    await second.settled('hello')
    expect(await second.arrived()).toEqual(['hello x2'])
    expect(await second.types('hello')).toEqual(['MessageQueued', 'MessageSent'])
  })
})

describe('order', () => {
  test('holds within a conversation', async () => {
    const { queue, settled, arrived } = await start()
    const texts = range(30).map((n) => `m${n}`)
    for (const text of texts) await queue(text)
    await settled(...texts)
    expect(await arrived()).toEqual(texts)
  })

  test('holds when the first has to be tried again', async () => {
    const { sandbox, queue, settled, arrived } = await start()
    await sandbox.fail(INSTANCE, { on: 'send', outcome: 'unavailable', times: 1 })
    for (const text of ['a', 'b', 'c']) await queue(text)
    await settled('a', 'b', 'c')
    expect(await arrived()).toEqual(['a', 'b', 'c'])
  })

  test('holds across a merge: what is queued from then on follows what was queued in both', async () => {
    const first = gate()
    const { queue, settled, arrived, transact } = await start({
      between: (sandbox) => ({
        ...sandbox,
        send: async (message) => {
          if (message.whatsappId === 'one') await first.opened
          return sandbox.send(message)
        },
      }),
    })
    const move = (decide: Parameters<typeof transact<Conversation, ConversationEvent>>[2], chat: string) =>
      transact(Conversation, conversationId(INSTANCE, chat), decide, context)
    await move(begin({ number: 1, instanceId: INSTANCE, chat: HIDDEN, at: AT }), HIDDEN)
    await queue('one', { ...placeIn(HIDDEN), chat: HIDDEN })
    const john = { id: conversationId(INSTANCE, JOHN), instanceId: INSTANCE, number: 2, chat: JOHN }
    await move(merge(john, AT), HIDDEN)
    await queue('two')
    await queue('late', { ...placeIn(HIDDEN), chat: HIDDEN })
    await queue('elsewhere', { ...placeIn(MARY), chat: MARY })
    await settled('elsewhere')
    expect(await arrived()).toEqual(['elsewhere'])
    first.open()
    await settled('one', 'two', 'late')
    expect(await arrived()).toEqual(['elsewhere', 'one', 'two', 'late'])
  })

  test('of one conversation holds up no other', async () => {
    const { opened, open } = gate()
    const { queue, settled, arrived } = await start({
      between: (sandbox) => ({
        ...sandbox,
        send: async (message) => {
          if (message.chat === JOHN) await opened
          return sandbox.send(message)
        },
      }),
    })
    await queue('to John')
    await queue('to Mary', toMary)
    await settled('to Mary')
    expect(await arrived()).toEqual(['to Mary'])
    open()
    await settled('to John')
  })

  test('of a conversation whose messages waited holds up no other, either', async () => {
    const [isOnItsWay, isOver] = [gate(), gate()]
    const { sandbox, queue, settled, arrived } = await start({
      between: (sandbox) => ({
        ...sandbox,
        send: async (message) => {
          if (message.chat === JOHN) {
            isOnItsWay.open()
            await isOver.opened
          }
          return sandbox.send(message)
        },
      }),
    })
    await sandbox.disconnect(INSTANCE)
    await queue('to John')
    await sandbox.connect(INSTANCE)
    await isOnItsWay.opened
    for (const text of ['to Mary', 'and again']) await queue(text, toMary)
    await queue('more to John')
    await settled('to Mary', 'and again')
    expect(await arrived()).toEqual(['to Mary', 'and again'])
    isOver.open()
    await settled('to John', 'more to John')
    expect(await arrived()).toEqual(['to Mary', 'and again', 'to John', 'more to John'])
  })

  test('holds when the log cannot be read for one of them', async () => {
    let faults = 1
    const { sandbox, queue, settled, arrived } = await start({
      loading: (load) => async (decider, id) => {
        if (id === messageId(INSTANCE, 'a') && faults-- > 0) throw new Error('no database')
        return load(decider, id)
      },
    })
    await sandbox.disconnect(INSTANCE)
    for (const text of ['a', 'b', 'c']) await queue(text)
    await sandbox.connect(INSTANCE)
    await settled('a', 'b', 'c')
    expect(await arrived()).toEqual(['a', 'b', 'c'])
  })
})

describe('an instance without connection', () => {
  test('keeps its messages, and sends them in order before newer ones', async () => {
    const { sandbox, queue, settled, arrived } = await start()
    await sandbox.disconnect(INSTANCE)
    for (const text of ['a', 'b', 'c']) await queue(text)
    expect(await arrived()).toEqual([])
    const connecting = sandbox.connect(INSTANCE)
    for (const text of ['d', 'e']) await queue(text)
    await connecting
    await queue('f')
    await settled('a', 'b', 'c', 'd', 'e', 'f')
    expect(await arrived()).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  test('that drops while sending sends what was left when it is back', async () => {
    const { sandbox, queue, settled, arrived, types } = await start()
    await queue('before')
    await settled('before')
    await sandbox.disconnect(INSTANCE)
    await queue('a')
    await sandbox.connect(INSTANCE)
    await settled('a')
    await sandbox.fail(INSTANCE, { on: 'send', outcome: 'unavailable', times: 1 })
    await queue('b')
    await queue('c')
    await sandbox.disconnect(INSTANCE)
    await sandbox.connect(INSTANCE)
    await settled('b', 'c')
    expect(await arrived()).toEqual(['before', 'a', 'b', 'c'])
    expect(await types('b')).toEqual(['MessageQueued', 'MessageSent'])
  })

  test('forgets no message that its to-do list does not know yet', async () => {
    const { opened: foundOffline, open } = gate()
    const { sandbox, queue, settled, arrived, reopen, pauseOutbox, resumeOutbox } = await start({
      between: (sandbox) => ({
        ...sandbox,
        connected: (instanceId) => sandbox.connected(instanceId) || (open(), false),
      }),
    })
    for (const text of ['first', 'second']) await queue(text)
    await settled('first', 'second')
    pauseOutbox()
    await sandbox.fail(INSTANCE, { on: 'send', outcome: 'disconnect', times: 1 })
    await queue('late')
    await foundOffline
    await reopen()
    for (const _ of range(3)) expect(await arrived()).toEqual(['first', 'second'])
    resumeOutbox()
    await settled('late')
    expect(await arrived()).toEqual(['first', 'second', 'late'])
  })

  test('comes and goes: every message is sent once, in the order of its conversation', async () => {
    const { sandbox, queue, settled, arrived } = await start()
    const texts = range(60).map((n) => `m${n}`)
    for (const [n, text] of texts.entries()) {
      await queue(text, n % 2 === 0 ? {} : toMary)
      if (n % 20 === 5) await sandbox.disconnect(INSTANCE)
      if (n % 20 === 12) await sandbox.connect(INSTANCE)
    }
    await settled(...texts)
    const found = await arrived()
    for (const half of [0, 1]) {
      const mine = texts.filter((_, n) => n % 2 === half)
      expect(found.filter((text) => mine.includes(text))).toEqual(mine)
    }
    expect(found).toHaveLength(texts.length)
  })
})

test('a message that was sent from the to-do list is not sent again when the log brings it', async () => {
  const { pool, store, transact, load } = await testLog()
  const sent: string[] = []
  const gateway: Gateway = {
    ...sandboxGateway(pool, () => {}),
    connected: () => true,
    send: async ({ whatsappId }) => {
      sent.push(whatsappId)
      return { kind: 'sent', at: AT }
    },
  }
  const queued = async (text: string) => {
    await transact(Message, messageId(INSTANCE, text), queue(outgoing(text)), context)
    const [event] = await store.readStream(messageStream(text))
    if (!event || !isOf(event, 'MessageQueued')) throw new Error('not queued')
    return { row: outboxRow(event), position: event.position }
  }
  const early = await queued('early')
  const sender = createSender({
    transact,
    load,
    gatewayOf: () => gateway,
    isOwner: () => Promise.resolve(true),
    head: () => store.head(),
    waiting: async () => {
      const { state } = await load(Message, early.row.id)
      return state.status === 'queued' ? [early.row] : []
    },
    onOutcome: () => {},
    onError: () => {},
  })
  await sender.drain(INSTANCE)
  expect(sent).toEqual(['early'])
  sender.queued(early.row, early.position)
  const { row, position } = await queued('later')
  sender.queued(row, position)
  await eventually(() => expect(sent).toContain('later'))
  expect(sent).toEqual(['early', 'later'])
})

describe('a program that starts', () => {
  test('sends first what an earlier one left', async () => {
    const first = await start()
    await first.sandbox.disconnect(INSTANCE)
    for (const text of ['a', 'b']) await first.queue(text)
    first.stop()
    const second = await startSending(first, first.openProcess())
    await second.queue('c')
    await second.settled('a', 'b', 'c')
    expect(await second.arrived()).toEqual(['a', 'b', 'c'])
  })
})
