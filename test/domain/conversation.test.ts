import { describe, expect, test } from 'vitest'
import {
  archive,
  Conversation,
  markRead,
  mustBeManual,
  pause,
  remove,
  restore,
  resume,
  start,
  tag,
  type ConversationEvent,
} from '../../src/domain/conversation.ts'
import { fold } from '../../src/domain/decider.ts'
import { AT, INSTANCE, JOHN, later, TEAM } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const conversation = specification(Conversation)
const withJohn = { number: 123, instanceId: INSTANCE, chat: JOHN, at: AT }
const started: ConversationEvent = { type: 'ConversationStarted', data: { ...withJohn, isGroup: false } }
const readUpTo = (upTo: number, after?: number): ConversationEvent => ({
  type: 'ConversationRead',
  data: { upTo, ...(after !== undefined && { after }), instanceId: INSTANCE, at: AT },
})

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

test('more can be seen later, which says what was seen before', () =>
  conversation.given(started, readUpTo(7)).when(markRead(8, AT)).then(readUpTo(8, 7)))

test('nothing seen becomes unseen', () =>
  conversation.given(started, readUpTo(7)).when(markRead(6, AT)).then())

const archived: ConversationEvent = { type: 'ConversationArchived', data: { at: AT } }
const restored: ConversationEvent = { type: 'ConversationRestored', data: { at: AT } }
const deleted: ConversationEvent = { type: 'ConversationDeleted', data: { instanceId: INSTANCE, at: AT } }
const paused: ConversationEvent = { type: 'AutomationPaused', data: { reason: 'VIP', at: AT } }
const resumed: ConversationEvent = { type: 'AutomationResumed', data: { at: AT } }
const automated: ConversationEvent = {
  type: 'ConversationStarted',
  data: { ...withJohn, isGroup: false, automated: true },
}
const tagged = (added: string[], removed: string[] = []): ConversationEvent => ({
  type: 'ConversationTagged',
  data: { added, removed, at: AT },
})
const [A, B] = ['550e8400-e29b-41d4-a716-446655440001', '550e8400-e29b-41d4-a716-446655440002'] as const

describe('the archive', () => {
  test('takes a conversation once', () => conversation.given(started).when(archive(AT)).then(archived))
  test('gives it back once', () => conversation.given(started, archived).when(restore(AT)).then(restored))
  test('gives back only what it has', () =>
    conversation.given(started).when(restore(AT)).refuses('NOT_FOUND'))
  test('takes nothing that is not there', () => conversation.given().when(archive(AT)).refuses('NOT_FOUND'))
})

describe('a deleted conversation', () => {
  test('is deleted once', () => conversation.given(started).when(remove(AT)).then(deleted))
  test('starts again under the number that it had, without its tags and out of the archive', () => {
    const past = [started, tagged([A]), archived, deleted]
    conversation
      .given(...past)
      .when(start({ ...withJohn, number: 999 }))
      .then(started)
    const again = fold(Conversation, [...past, started])
    expect(again).toMatchObject({ number: 123, tags: [], archived: false, automation: 'none' })
  })
  test('can be neither tagged nor archived', () => {
    conversation
      .given(started, deleted)
      .when(tag([A], AT))
      .refuses('NOT_FOUND')
    conversation.given(started, deleted).when(archive(AT)).refuses('NOT_FOUND')
  })
})

describe('tags', () => {
  test('are set as a whole: the event says what came and what went', () =>
    conversation
      .given(started, tagged([A]))
      .when(tag([B, B], AT))
      .then(tagged([B], [A])))
  test('that are there already are no change, in whatever order', () =>
    conversation
      .given(started, tagged([A, B]))
      .when(tag([B, A], AT))
      .then())
  test('can all be taken away', () =>
    conversation
      .given(started, tagged([A, B]))
      .when(tag([], AT))
      .then(tagged([], [A, B])))
})

describe('automation', () => {
  test('is paused once, with the reason of the first who paused it', () => {
    conversation.given(automated).when(pause('VIP', AT)).then(paused)
    conversation
      .given(automated, paused)
      .when(pause('other', later(1)))
      .then()
  })
  test('can be kept away before it had a part in a conversation', () =>
    conversation.given(started).when(pause('VIP', AT)).then(paused))
  test('resumes only in an archived conversation', () =>
    conversation.given(automated, paused).when(resume(AT)).refuses('CONVERSATION_NOT_ARCHIVED'))
  test('takes the conversation out of the archive when it resumes', () =>
    conversation.given(automated, paused, archived).when(resume(AT)).then(resumed, restored))
  test('that is active already has nothing to resume', () =>
    conversation.given(automated).when(resume(AT)).then())
  test('keeps people from sending while it is active, and names the conversation', () => {
    const active = fold(Conversation, [automated])
    expect(() => mustBeManual(active)).toThrow(
      expect.objectContaining({ code: 'AUTOMATION_ACTIVE', details: { conversation_id: 123 } }),
    )
    expect(() => mustBeManual(fold(Conversation, [automated, paused]))).not.toThrow()
    expect(() => mustBeManual(fold(Conversation, [started]))).not.toThrow()
  })
})
