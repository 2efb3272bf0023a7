import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fold, type Decide } from '../../src/domain/decider.ts'
import { edit, mustBeChangeable, mustBeEditable, takeBack } from '../../src/domain/message-changes.ts'
import {
  accept,
  acknowledge,
  fail,
  Message,
  queue,
  react,
  receiptStatuses,
  receive,
  type MessageEvent,
  type Reaction,
} from '../../src/domain/message.ts'
import { AT, incoming, JOHN, later, MARY, outgoing, placeIn, TEAM } from '../support/facts.ts'
import { decideOrNothing, specification } from '../support/given.ts'

const message = specification(Message)
const place = placeIn(JOHN)
const step = { ...place, at: AT }
const queued: MessageEvent = { type: 'MessageQueued', data: outgoing() }
const received: MessageEvent = { type: 'MessageReceived', data: incoming() }
const typed: MessageEvent = { type: 'MessageSentFromPhone', data: incoming() }
const sent: MessageEvent = { type: 'MessageSent', data: { ...step, kind: 'text' } }
const delivered: MessageEvent = { type: 'MessageDelivered', data: step }
const read: MessageEvent = { type: 'MessageRead', data: step }
const played: MessageEvent = { type: 'MessagePlayed', data: step }
const failed: MessageEvent = { type: 'MessageFailed', data: { ...step, reason: 'no such number' } }

const reaction = (emoji: string, by = MARY): Reaction => ({
  ...place,
  conversationNumber: 1,
  targetWhatsappId: 'hello',
  by,
  fromMe: false,
  emoji,
  at: AT,
})
const reacted = (emoji: string, by = MARY): MessageEvent => ({
  type: 'MessageReacted',
  data: reaction(emoji, by),
})

describe('a message to send', () => {
  test('is queued', () => message.given().when(queue(outgoing())).then(queued))

  test('is queued once, whatever number and time the request comes again with', () =>
    message
      .given(queued)
      .when(queue(outgoing('hello', { number: 2, at: later(9) })))
      .then())

  test('is not queued again after it went out', () =>
    message.given(queued, sent, read).when(queue(outgoing())).then())

  test('is refused when its key was used for another text', () =>
    message
      .given(queued)
      .when(queue(outgoing('hello', { content: { kind: 'text', text: 'good-bye' } })))
      .refuses('IDEMPOTENCY_KEY_REUSED'))

  test('is refused when its key was used for another chat', () =>
    message
      .given(queued)
      .when(queue(outgoing('hello', { chat: MARY })))
      .refuses('IDEMPOTENCY_KEY_REUSED'))

  test('is sent when WhatsApp takes it', () => message.given(queued).when(accept(AT)).then(sent))

  test('fails when WhatsApp refuses it', () =>
    message.given(queued).when(fail('no such number', AT)).then(failed))

  test.each([
    ['sent', sent],
    ['read', read],
    ['failed', failed],
  ])('is settled once: %s stays', (_name, settled) => {
    message
      .given(queued, settled)
      .when(accept(later(1)))
      .then()
    message
      .given(queued, settled)
      .when(fail('late', later(1)))
      .then()
  })

  test('that nobody queued is neither sent nor failed', () => {
    message.given().when(accept(AT)).then()
    message.given().when(fail('why', AT)).then()
  })
})

describe('receipts', () => {
  const events = { sent, delivered, read, played }
  const steps = receiptStatuses.flatMap((present, at) =>
    receiptStatuses.map((told, to) => ({ present, told, moves: to > at })),
  )
  test.each(steps)('$told after $present moves forward or not at all', ({ present, told, moves }) =>
    message
      .given(queued, events[present])
      .when(acknowledge(told, AT))
      .then(...(moves ? [events[told]] : [])),
  )

  test.each(['delivered', 'read', 'played'] as const)(
    '%s before the record of the send implies sent',
    (told) => message.given(queued).when(acknowledge(told, AT)).then(sent, events[told]),
  )
  test('of a send that counted as failed tells that it went out after all', () =>
    message.given(queued, failed).when(acknowledge('delivered', AT)).then(sent, delivered))
  test('concern what was typed on the phone too', () =>
    message.given(typed).when(acknowledge('read', AT)).then(read))
  test('of an incoming message say nothing', () =>
    message.given(received).when(acknowledge('read', AT)).then())
  test('of a reaction, as its failure, are marked: it is no message', () => {
    const content = { kind: 'reaction', targetWhatsappId: 'hello', emoji: '👍' } as const
    const past: MessageEvent = { type: 'MessageQueued', data: outgoing('thumb', { content }) }
    const signal = { ...step, signal: 'reaction' } as const
    message
      .given(past, { type: 'MessageSent', data: { ...step, kind: 'reaction' } })
      .when(acknowledge('read', AT))
      .then({ type: 'MessageRead', data: signal })
    message
      .given(past)
      .when(fail('gone', AT))
      .then({ type: 'MessageFailed', data: { ...signal, reason: 'gone' } })
  })
  test('of a reaction say nothing until what it did is on record, with the record of the send', () => {
    const content = { kind: 'reaction', targetWhatsappId: 'hello', emoji: '👍' } as const
    message
      .given({ type: 'MessageQueued', data: outgoing('thumb', { content }) })
      .when(acknowledge('delivered', AT))
      .then()
  })
  test('of an unknown message say nothing', () => message.given().when(acknowledge('read', AT)).then())
})

describe('a message from WhatsApp', () => {
  test('is received', () => message.given().when(receive(incoming(), false)).then(received))
  test('delivered again is a non-event, whatever it says', () =>
    message
      .given(received)
      .when(receive(incoming('other'), false))
      .then())
  test('typed on the phone is sent, not received', () =>
    message.given().when(receive(incoming(), true)).then(typed))
  test('that came back to its sender is a non-event', () =>
    message.given(queued).when(receive(incoming(), true)).then())
  test('comes after a reaction to it', () =>
    message.given(reacted('👍')).when(receive(incoming(), false)).then(received))
})

describe('reactions', () => {
  test('are taken down once', () =>
    message
      .given(received)
      .when(react(reaction('👍')))
      .then(reacted('👍')))
  test('may come before the message', () =>
    message
      .given()
      .when(react(reaction('👍')))
      .then(reacted('👍')))
  test('told again are non-events', () =>
    message
      .given(received, reacted('👍'))
      .when(react(reaction('👍')))
      .then())
  test('of the same person replace each other', () =>
    message
      .given(received, reacted('👍'))
      .when(react(reaction('❤️')))
      .then(reacted('❤️')))
  test('of different people stand beside each other', () =>
    message
      .given(received, reacted('👍'))
      .when(react(reaction('👍', JOHN)))
      .then(reacted('👍', JOHN)))
  test('are taken back by an empty emoji, once', () => {
    message
      .given(received, reacted('👍'))
      .when(react(reaction('')))
      .then(reacted(''))
    message
      .given(received, reacted('👍'), reacted(''))
      .when(react(reaction('')))
      .then()
  })
  test('that were never there cannot be taken back', () =>
    message
      .given(received)
      .when(react(reaction('')))
      .then())
})

describe('any order of decisions', () => {
  const decision: fc.Arbitrary<Decide<Message, MessageEvent>> = fc.oneof(
    fc
      .constantFrom('hello', 'another text')
      .map((text) => queue(outgoing('hello', { content: { kind: 'text', text } }))),
    fc.boolean().map((fromMe) => receive(incoming(), fromMe)),
    fc.constant(accept(AT)),
    fc.constant(fail('why', AT)),
    fc.constantFrom(...receiptStatuses).map((status) => acknowledge(status, AT)),
    fc
      .tuple(fc.constantFrom('👍', '❤️', ''), fc.constantFrom(JOHN, MARY))
      .map(([emoji, by]) => react(reaction(emoji, by))),
  )
  const ranks = ['queued', 'failed', 'received', ...receiptStatuses]
  const rankOf = ({ status }: Message) => ranks.indexOf(status ?? '')

  test('writes no decision twice, and no status goes back', () =>
    fc.assert(
      fc.property(fc.array(decision, { maxLength: 20 }), (decisions) => {
        const log: MessageEvent[] = []
        let state = Message.initial
        for (const decide of decisions) {
          const events = decideOrNothing(decide, state)
          const next = fold(Message, events, state)
          expect(decideOrNothing(decide, next)).toEqual([])
          expect(rankOf(next)).toBeGreaterThanOrEqual(rankOf(state))
          log.push(...events)
          state = next
        }
        const once = log.map(({ type }) => type).filter((type) => type !== 'MessageReacted')
        expect(new Set(once).size).toBe(once.length)
      }),
      { numRuns: 500 },
    ))
})

const edited = (text: string, fromMe = false): MessageEvent => ({
  type: 'MessageEdited',
  data: { ...place, number: 1, text, fromMe, at: AT },
})
const deleted = (fromMe = false): MessageEvent => ({
  type: 'MessageDeleted',
  data: { ...place, number: 1, fromMe, at: AT },
})

describe('a change by the author', () => {
  test('gives the message another text, once', () =>
    message
      .given(received)
      .when(edit('bye', false, AT))
      .then(edited('bye')))
  test('to the text that it has is none', () => {
    message
      .given(received)
      .when(edit('hello', false, AT))
      .then()
    message
      .given(received, edited('bye'))
      .when(edit('bye', false, AT))
      .then()
  })
  test('can go back to the first text', () =>
    message
      .given(received, edited('bye'))
      .when(edit('hello', false, AT))
      .then(edited('hello')))
  test('is not taken from the other side', () => {
    message
      .given(received)
      .when(edit('forged', true, AT))
      .then()
    message
      .given(queued, sent)
      .when(edit('forged', false, AT))
      .then()
  })
  test('takes the message back, once', () =>
    message.given(queued, sent).when(takeBack(true, AT)).then(deleted(true)))
  test('of what was taken back, or is not known, is none', () => {
    message
      .given(received, deleted())
      .when(edit('bye', false, AT))
      .then()
    message
      .given()
      .when(edit('bye', false, AT))
      .then()
    message.given().when(takeBack(false, AT)).then()
  })
})

describe('what can be changed through this instance', () => {
  const stateOf = (...events: MessageEvent[]) => fold(Message, events)
  test('is a message that WhatsApp has', () => {
    expect(mustBeChangeable(stateOf(queued, sent)).whatsappId).toBe('hello')
    for (const past of [[queued], [queued, failed], [received]])
      expect(() => mustBeChangeable(stateOf(...past))).toThrow(expect.objectContaining({ code: 'CONFLICT' }))
  })
  test('is not one that is gone, or never was', () => {
    for (const past of [[], [queued, sent, deleted(true)]])
      expect(() => mustBeChangeable(stateOf(...past))).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
  })
  test('has a text to edit', () => {
    expect(mustBeEditable(stateOf(queued, sent)).whatsappId).toBe('hello')
    const image: MessageEvent = {
      type: 'MessageQueued',
      data: outgoing('hello', { content: { kind: 'image' } }),
    }
    expect(() => mustBeEditable(stateOf(image, sent))).toThrow(expect.objectContaining({ code: 'CONFLICT' }))
  })
})

describe('who changes a message', () => {
  const inTeam = incoming('hello', { ...placeIn(TEAM), chat: TEAM, sender: JOHN })
  const ofTeam: MessageEvent = { type: 'MessageReceived', data: inTeam }
  const takenBack = (fromMe = false): MessageEvent => ({
    type: 'MessageDeleted',
    data: { ...placeIn(TEAM), number: 1, fromMe, at: AT },
  })
  test('is the author, or nothing changes', () => {
    message
      .given(received)
      .when(edit('bye', false, AT, { by: JOHN }))
      .then(edited('bye'))
    for (const decide of [edit('forged', false, AT, { by: MARY }), takeBack(false, AT, { by: MARY })])
      message.given(received).when(decide).then()
    message
      .given(received)
      .when(takeBack(false, AT, { by: JOHN }))
      .then(deleted())
  })
  test('is, of what was sent, the instance, whatever its JID, and nobody else', () => {
    message
      .given(queued, sent)
      .when(edit('bye', true, AT, { by: MARY }))
      .then(edited('bye', true))
    for (const decide of [edit('forged', false, AT, { by: JOHN }), takeBack(false, AT, { by: JOHN })])
      message.given(queued, sent).when(decide).then()
  })
  test('is no instance that did not write it', () => {
    for (const decide of [edit('forged', true, AT, { by: JOHN }), takeBack(true, AT, { by: JOHN })])
      message.given(received).when(decide).then()
  })
  test('is an admin who takes it back from the group, and gives it no other text', () => {
    message
      .given(ofTeam)
      .when(takeBack(false, AT, { by: MARY, asAdmin: true }))
      .then(takenBack())
    message
      .given(ofTeam)
      .when(takeBack(true, AT, { by: MARY, asAdmin: true }))
      .then(takenBack(true))
    message
      .given(ofTeam)
      .when(edit('forged', false, AT, { by: MARY, asAdmin: true }))
      .then()
    message
      .given(received)
      .when(takeBack(false, AT, { by: MARY, asAdmin: true }))
      .then()
  })
  test('changes it where it is now', () =>
    message
      .given(received)
      .when(edit('bye', false, AT, { by: JOHN, conversationId: placeIn(MARY).conversationId }))
      .then({
        type: 'MessageEdited',
        data: { ...placeIn(MARY), number: 1, text: 'bye', fromMe: false, at: AT },
      }))
})

describe('what happened to a message before it was imported', () => {
  const importedAt = later(60)
  const imported: MessageEvent = { type: 'MessageReceived', data: incoming('hello', { importedAt }) }
  const importedTyped: MessageEvent = {
    type: 'MessageSentFromPhone',
    data: incoming('hello', { importedAt }),
  }
  test('is marked as past', () => {
    message
      .given(imported)
      .when(react(reaction('👍')))
      .then({ type: 'MessageReacted', data: { ...reaction('👍'), past: true } })
    message
      .given(imported)
      .when(edit('bye', false, AT))
      .then({
        type: 'MessageEdited',
        data: { ...place, number: 1, text: 'bye', fromMe: false, past: true, at: AT },
      })
    message
      .given(imported)
      .when(takeBack(false, AT))
      .then({ type: 'MessageDeleted', data: { ...place, number: 1, fromMe: false, past: true, at: AT } })
    message
      .given(importedTyped)
      .when(acknowledge('read', AT))
      .then({ type: 'MessageRead', data: { ...step, past: true } })
  })
  test('is told from what happened since', () => {
    message
      .given(importedTyped)
      .when(acknowledge('read', later(61)))
      .then({ type: 'MessageRead', data: { ...step, at: later(61) } })
    message
      .given(imported)
      .when(react({ ...reaction('👍'), at: later(61) }))
      .then({ type: 'MessageReacted', data: { ...reaction('👍'), at: later(61) } })
  })
})
