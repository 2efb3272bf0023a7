import { describe, expect, test } from 'vitest'
import { gather, goOn, merge, unite } from '../../src/domain/conversation-merge.ts'
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
import { conversationId } from '../../src/domain/ids.ts'
import { AT, INSTANCE, JOHN, later, MARY, TEAM } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const TAG = '550e8400-e29b-41d4-a716-446655440001'
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

describe('a conversation that turns out to be part of another one', () => {
  const HIDDEN = '171234567890123@lid'
  const [hidden, withJohnId] = [HIDDEN, JOHN].map((chat) => conversationId(INSTANCE, chat)) as [
    string,
    string,
  ]
  const john = { instanceId: INSTANCE, id: withJohnId, number: 123, chat: JOHN }
  const ofHidden: ConversationEvent = {
    type: 'ConversationStarted',
    data: { number: 7, instanceId: INSTANCE, chat: HIDDEN, isGroup: false, at: AT },
  }
  const data = { instanceId: INSTANCE, into: withJohnId, intoNumber: 123, chat: JOHN, at: AT }
  const merged: ConversationEvent = { type: 'ConversationMerged', data }
  const gathered: ConversationEvent = { type: 'ConversationMerged', data: { ...data, gathered: TAG } }
  const tagged = (...added: string[]): ConversationEvent => ({
    type: 'ConversationTagged',
    data: { added, removed: [], at: AT },
  })
  const automated: ConversationEvent = {
    type: 'ConversationStarted',
    data: { ...withJohn, isGroup: false, automated: true },
  }
  const paused: ConversationEvent = { type: 'AutomationPaused', data: { reason: 'VIP', at: AT } }
  const archived: ConversationEvent = { type: 'ConversationArchived', data: { at: AT } }
  const united: ConversationEvent = {
    type: 'ConversationUnited',
    data: { with: hidden, aliases: [hidden, '7'], tags: [TAG], at: AT },
  }
  const other = (...events: ConversationEvent[]) => fold(Conversation, events)

  test('is so once, and for good', () => {
    conversation.given(ofHidden).when(merge(john, AT)).then(merged)
    conversation
      .given(ofHidden, merged)
      .when(merge({ ...john, id: TAG, number: 9, chat: MARY }, AT))
      .then()
  })
  test('is so as well when it was deleted, and not when it never was', () => {
    conversation
      .given(ofHidden, { type: 'ConversationDeleted', data: { instanceId: INSTANCE, at: AT } })
      .when(merge(john, AT))
      .then(merged)
    conversation.given().when(merge(john, AT)).then()
  })
  test('does not start again, and can no longer be changed', () => {
    conversation
      .given(ofHidden, merged)
      .when(start({ ...withJohn, chat: HIDDEN }))
      .then()
    for (const decide of [archive(AT), tag([], AT), pause(undefined, AT), remove(AT)])
      conversation.given(ofHidden, merged).when(decide).refuses('NOT_FOUND')
  })
  test('what was on its way into it follows, each once', () => {
    conversation
      .given(ofHidden, merged)
      .when(gather(INSTANCE, TAG, AT))
      .then(gathered)
    conversation
      .given(ofHidden, merged, gathered)
      .when(gather(INSTANCE, TAG, later(1)))
      .then()
    conversation
      .given(ofHidden)
      .when(gather(INSTANCE, TAG, AT))
      .then()
  })
  test('goes on under its number where there is no other one, archived and paused as it was', () => {
    const before = other(ofHidden, paused, archived)
    conversation
      .given()
      .when(goOn(before, { ...withJohn, number: 7 }))
      .then(
        { type: 'ConversationStarted', data: { ...withJohn, number: 7, isGroup: false, automated: true } },
        paused,
        archived,
      )
    conversation
      .given(started)
      .when(goOn(before, { ...withJohn, number: 7 }))
      .then()
  })
  test('leaves the other one its tags, its names and what was not read, once', () => {
    const before = other(ofHidden, tagged(TAG), merged)
    conversation
      .given(started)
      .when(unite(hidden, before, AT))
      .then(united)
    conversation
      .given(started, united)
      .when(unite(hidden, before, later(1)))
      .then()
    conversation
      .given(started, tagged(TAG))
      .when(unite(hidden, before, AT))
      .then({ type: 'ConversationUnited', data: { ...united.data, tags: [] } })
    conversation.given(started, readUpTo(9), united).when(markRead(9, AT)).then(readUpTo(9))
  })
  test('brings those along that had become part of it', () =>
    conversation
      .given(started)
      .when(unite(withJohnId, other(ofHidden, united, merged), AT))
      .then({
        type: 'ConversationUnited',
        data: { with: withJohnId, aliases: [withJohnId, '7', hidden, '7'], tags: [TAG], at: AT },
      }))
  test('leaves archive and automation of the other one as they are', () =>
    expect(other(automated, united)).toMatchObject({ archived: false, automation: 'active' }))
  test('is remembered by the other one when that is deleted and starts again', () =>
    conversation
      .given(started, united, { type: 'ConversationDeleted', data: { instanceId: INSTANCE, at: AT } })
      .when(start(withJohn))
      .then({ type: 'ConversationStarted', data: { ...withJohn, isGroup: false, aliases: [hidden, '7'] } }))
})
