import { expect, test } from 'vitest'
import { catalogue } from '../../src/domain/catalogue.ts'
import { Group, groupEvents, isDone, record, type GroupEvent } from '../../src/domain/group.ts'
import { AT, INSTANCE, JOHN, later, MARY, TEAM } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const group = specification(Group)
const about = { instanceId: INSTANCE, chat: TEAM, at: AT }
const participants = [
  { jid: JOHN, status: 200 },
  { jid: MARY, status: 403 },
]
const created: GroupEvent = { type: 'GroupCreated', data: { ...about, subject: 'Team', participants } }
const renamed = (subject: string, at: string): GroupEvent => ({
  type: 'GroupChanged',
  data: { ...about, subject, at },
})

test.each<GroupEvent>([
  created,
  renamed('Sales', later(1)),
  { type: 'GroupChanged', data: { ...about, description: '' } },
  { type: 'GroupParticipantsChanged', data: { ...about, action: 'add', participants } },
  { type: 'GroupLeft', data: about },
  { type: 'GroupInviteRevoked', data: about },
])('what WhatsApp confirmed is written down, once: $type', (confirmed) => {
  group.given().when(record(confirmed)).then(confirmed)
  group
    .given({ type: 'GroupChanged', data: { ...about, subject: 'Before' } })
    .when(record(confirmed))
    .then(confirmed)
})

test('the same thing done again later is another fact, since others may have changed it in between', () =>
  group
    .given(created, renamed('Sales', later(1)))
    .when(record(renamed('Sales', later(2))))
    .then(renamed('Sales', later(2))))

test('only what WhatsApp answers with 200 is done', () =>
  expect(participants.filter(isDone)).toEqual([{ jid: JOHN, status: 200 }]))

test('every event of a group is in the catalogue', () =>
  expect(Object.keys(catalogue)).toEqual(expect.arrayContaining(Object.keys(groupEvents))))
