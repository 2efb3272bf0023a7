import type { GroupMetadata as RawGroup, WASocket } from '@whiskeysockets/baileys'
import { describe, expect, it } from 'vitest'
import { groupOf, hiddenIn, numbersIn, resultsOf } from '../../../src/adapters/baileys/group-answers.ts'
import { createGroupCache } from '../../../src/adapters/baileys/group-cache.ts'
import { baileysGroups } from '../../../src/adapters/baileys/groups.ts'
import { openWith, refusing } from './open-socket.ts'

const jid = '120363001234567890@g.us'
const own = '5511912345678@s.whatsapp.net'
const maria = '5511988887777@s.whatsapp.net'
const mariaLid = '100000000000001@lid'
const john = '5511999999999@s.whatsapp.net'
const johnLid = '100000000000002@lid'

const raw = (fields: Partial<RawGroup> = {}): RawGroup => ({
  id: jid,
  subject: 'Team',
  owner: mariaLid,
  ownerPn: maria,
  participants: [
    { id: mariaLid, phoneNumber: maria, admin: 'superadmin' },
    { id: johnLid, admin: null },
  ],
  ...fields,
})
const nothingKnown = new Map<string, string>()
const answer = (id: string, status: string, attrs: Record<string, string> = {}) => ({
  jid: id,
  status,
  content: { tag: 'participant', attrs: { jid: id, ...attrs } },
})

describe('a group of WhatsApp, in our own words', () => {
  it('names people by their numbers, as far as those are known', () => {
    const group = groupOf(raw(), numbersIn([raw()], new Map([[johnLid, john]])))
    expect(group).toEqual({
      jid,
      subject: 'Team',
      owner: maria,
      participants: [
        { jid: maria, admin: 'superadmin' },
        { jid: john, admin: null },
      ],
    })
  })
  it('names them by their hidden ids where no number is known', () => {
    const { participants } = groupOf(raw(), numbersIn([raw()], nothingKnown))
    expect(participants.map((one) => one.jid)).toEqual([maria, johnLid])
    expect(hiddenIn([raw()])).toEqual([johnLid])
  })
  it('has no description where that is empty', () => {
    const numberOf = numbersIn([], nothingKnown)
    expect(groupOf(raw({ desc: '' }), numberOf)).not.toHaveProperty('description')
    expect(groupOf(raw({ desc: 'About' }), numberOf)).toMatchObject({ description: 'About' })
  })
})

describe('what WhatsApp answers for each person', () => {
  const numberOf = numbersIn([raw()], nothingKnown)

  it('is found by number or hidden id, in the order asked', () => {
    const answered = [answer(johnLid, '403', { phone_number: john }), answer(mariaLid, '200')]
    expect(resultsOf([maria, john], answered, numberOf)).toEqual([
      { jid: maria, status: 200 },
      { jid: john, status: 403 },
    ])
  })
  it('is found for one person by whatever name', () =>
    expect(resultsOf([maria, john], [answer(maria, '409'), answer('1@lid', '200')], numberOf)).toEqual([
      { jid: maria, status: 409 },
      { jid: john, status: 200 },
    ]))
  it('is never taken for success where it is missing', () => {
    const unavailable = expect.objectContaining({ code: 'UNAVAILABLE' })
    expect(() => resultsOf([maria], [], numberOf)).toThrow(unavailable)
    const strangers = [answer('1@lid', '200'), answer('2@lid', '200')]
    expect(() => resultsOf([maria, john], strangers, numberOf)).toThrow(unavailable)
    expect(() => resultsOf([maria], [answer(maria, 'fine')], numberOf)).toThrow(unavailable)
  })
})

describe('a no of WhatsApp', () => {
  const groupsOf = (calls: Partial<WASocket>) => baileysGroups(() => openWith(calls))

  it('is FORBIDDEN where the instance may look at the group, and NOT_FOUND where it may not', async () => {
    const mayLook = groupsOf({
      groupUpdateSubject: refusing(403),
      groupInviteCode: refusing(401),
      groupMetadata: () => Promise.resolve(raw()),
    })
    await expect(mayLook.setSubject('i', jid, 'x')).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await expect(mayLook.inviteCode('i', jid)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    const mayNot = groupsOf({
      groupUpdateSubject: refusing(403),
      groupInviteCode: refusing(401),
      groupMetadata: refusing(403),
    })
    await expect(mayNot.setSubject('i', jid, 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(mayNot.inviteCode('i', jid)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(mayNot.metadata('i', jid)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(mayNot.leave('i', jid)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
  it('is NOT_FOUND for 404, and REFUSED_BY_WHATSAPP for anything else', async () => {
    const missing = groupsOf({ groupUpdateSubject: refusing(404) })
    await expect(missing.setSubject('i', jid, 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const busy = groupsOf({ groupUpdateSubject: refusing(429), groupFetchAllParticipating: refusing(429) })
    await expect(busy.setSubject('i', jid, 'x')).rejects.toMatchObject({ code: 'REFUSED_BY_WHATSAPP' })
    await expect(busy.list('i')).rejects.toMatchObject({ code: 'REFUSED_BY_WHATSAPP' })
  })
  it('is not made of an answer without a code', async () => {
    const empty = groupsOf({ groupInviteCode: () => Promise.resolve(undefined) })
    await expect(empty.inviteCode('i', jid)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('changes of people', () => {
  it('name them as the group has them, and answer for those who are not in it', async () => {
    const asked: string[][] = []
    const groups = baileysGroups(() =>
      openWith({
        groupMetadata: () => Promise.resolve(raw()),
        groupParticipantsUpdate: (_jid, ids) => {
          asked.push(ids)
          return Promise.resolve(ids.map((id) => answer(id, '200')))
        },
      }),
    )
    expect(await groups.changeParticipants('i', jid, 'promote', [john, maria])).toEqual([
      { jid: john, status: 404 },
      { jid: maria, status: 200 },
    ])
    expect(asked).toEqual([[mariaLid]])
  })
  it('a group that is made answers for those who did not get in', async () => {
    const groups = baileysGroups(() =>
      openWith({
        groupCreate: () => Promise.resolve(raw({ participants: [{ id: own }, { id: maria }, { id: john }] })),
        groupMetadata: () => Promise.resolve(raw({ participants: [{ id: own }, { id: maria }] })),
      }),
    )
    const { results } = await groups.create('i', { subject: 'Team', participants: [maria, john] })
    expect(results).toEqual([
      { jid: maria, status: 200 },
      { jid: john, status: 403 },
    ])
  })
})

describe('the groups that are remembered for sending', () => {
  const remembering = () => {
    const asked: ((group: RawGroup) => void)[] = []
    const cache = createGroupCache(() =>
      openWith({ groupMetadata: () => new Promise((answer) => asked.push(answer)) }),
    )
    return { cache, asked }
  }

  it('are asked for once, and keep the ids that they came with', async () => {
    const { cache, asked } = remembering()
    const both = Promise.all([cache.cachedGroupMetadata(jid), cache.cachedGroupMetadata(jid)])
    expect(asked).toHaveLength(1)
    asked[0]?.(raw())
    expect(await both).toEqual([raw(), raw()])
    expect(await cache.cachedGroupMetadata(jid)).toEqual(raw())
    expect(asked).toHaveLength(1)
  })
  it.each([
    ['a change', { 'groups.update': [{ id: jid }] }],
    [
      'a change of people',
      { 'group-participants.update': { id: jid, author: own, action: 'add' as const, participants: [] } },
    ],
    [
      'a message about a change',
      {
        'messages.upsert': {
          type: 'append' as const,
          messages: [{ key: { remoteJid: jid }, messageStubType: 27 }],
        },
      },
    ],
  ])('are asked for anew after %s, even one that came while they were asked for', async (_what, events) => {
    const { cache, asked } = remembering()
    const early = cache.cachedGroupMetadata(jid)
    cache.hear(events)
    asked[0]?.(raw({ subject: 'Old' }))
    await early
    const late = cache.cachedGroupMetadata(jid)
    expect(asked).toHaveLength(2)
    asked[1]?.(raw())
    expect(await late).toMatchObject({ subject: 'Team' })
    cache.hear(events)
    void cache.cachedGroupMetadata(jid)
    expect(asked).toHaveLength(3)
  })
})
