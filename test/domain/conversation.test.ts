import { expect, test } from 'vitest'
import { Conversation, markRead, start, type ConversationEvent } from '../../src/domain/conversation.ts'
import { fold } from '../../src/domain/decider.ts'
import { AT, INSTANCE, JOHN, later, TEAM } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const conversation = specification(Conversation)
const withJohn = { number: 123, instanceId: INSTANCE, chat: JOHN, at: AT }
const started: ConversationEvent = { type: 'ConversationStarted', data: { ...withJohn, isGroup: false } }
const readUpTo = (upTo: number): ConversationEvent => ({ type: 'ConversationRead', data: { upTo, at: AT } })

test('a chat starts one conversation', () => conversation.given().when(start(withJohn)).then(started))

test('a chat with a group says so', () =>
  conversation
    .given()
    .when(start({ ...withJohn, chat: TEAM }))
    .then({ type: 'ConversationStarted', data: { ...withJohn, chat: TEAM, isGroup: true } }))

test('a conversation keeps its number, whoever starts it again', () => {
  conversation
    .given(started)
    .when(start({ ...withJohn, number: 124, at: later(1) }))
    .then()
  expect(fold(Conversation, [started]).number).toBe(123)
})

test('what was seen is marked read once', () =>
  conversation.given(started).when(markRead(7, AT)).then(readUpTo(7)))

test('more can be seen later', () =>
  conversation.given(started, readUpTo(7)).when(markRead(8, AT)).then(readUpTo(8)))

test('nothing seen becomes unseen', () =>
  conversation.given(started, readUpTo(7)).when(markRead(6, AT)).then())
