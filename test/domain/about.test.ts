import { expect, test } from 'vitest'
import { aboutOf } from '../../src/domain/about.ts'
import { catalogue } from '../../src/domain/catalogue.ts'
import { conversationId, messageId } from '../../src/domain/ids.ts'
import { context, incoming, INSTANCE, JOHN, messageStream } from '../support/facts.ts'
import { story, VIP, ZOE, HIDDEN, TOKEN, AUTOMATION } from '../support/story.ts'

const about = (type: string) =>
  story
    .filter(([, event]) => event.type === type)
    .map(([stream, event]) => aboutOf({ ...event, stream, meta: context }))

test('an event is about its stream, whatever its schema calls an id, at whatever depth, and who caused it', () => {
  const user = '550e8400-e29b-41d4-a716-446655440077'
  const file = '550e8400-e29b-41d4-a716-446655440078'
  const told = {
    type: 'MessageReceived',
    stream: messageStream('hi'),
    data: incoming('hi', { content: { kind: 'image', mediaId: file } }),
    meta: { actor: { kind: 'user', id: user } as const },
  }
  expect(aboutOf(told).toSorted()).toEqual(
    [messageId(INSTANCE, 'hi'), INSTANCE, conversationId(INSTANCE, JOHN), file, user].toSorted(),
  )
  expect(about('ConversationTagged')[0]).toContain(VIP)
  expect(about('ConversationUnited')[0]).toEqual(
    expect.arrayContaining([conversationId(INSTANCE, ZOE), conversationId(INSTANCE, HIDDEN), VIP]),
  )
  expect(about('TokenIssued')[0]).toEqual([TOKEN, INSTANCE])
  expect(about('AutomationRunStarted')[0]).toEqual(
    expect.arrayContaining([conversationId(INSTANCE, JOHN), AUTOMATION, messageId(INSTANCE, 'hi')]),
  )
})

test('of every type something is known, and never anything but ids', () => {
  for (const type of Object.keys(catalogue)) {
    const found = about(type).flat()
    expect(found.length, `${type} stands in the story`).toBeGreaterThan(0)
    for (const id of found) expect(id).toMatch(/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/)
  }
})

test('what does not hold to its schema is about what there is', () => {
  const broken = { stream: 'tenant-1', meta: context }
  for (const data of [{}, { instanceId: 7, conversationId: 'x' }, { content: null }, { content: [] }])
    expect(aboutOf({ ...broken, type: 'MessageReceived', data })).toEqual([])
  expect(aboutOf({ ...broken, type: 'Unheard', data: { instanceId: INSTANCE } })).toEqual([])
})
