import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import type { Gateway, Outgoing } from '../../src/ports/gateway.ts'
import type { GroupGateway } from '../../src/ports/groups.ts'
import { eventually } from '../support/eventually.ts'

/** What WhatsApp and other people do to groups. */
export type GroupsSide = {
  /** JID of a person who does not let themselves be added to groups. */
  readonly unwilling: string
  /** Somebody else makes a group and takes the instance into it; answers the group's JID. */
  addedTo(instanceId: string, group: { subject: string; by: string }): Promise<string>
}

type Subject = {
  readonly gateway: Gateway
  readonly side: GroupsSide
  /** A connected instance, new each time, with its own JID. */
  connected(): Promise<{ readonly instanceId: string; readonly own: string }>
}

const maria = '5511988887777@s.whatsapp.net'
const john = '5511999999999@s.whatsapp.net'
const nobody = '5511900000007@s.whatsapp.net'
const unknown = '120363999999999999@g.us'
const textTo = (instanceId: string, chat: string): Outgoing => ({
  instanceId,
  whatsappId: `3EB0${randomUUID().replaceAll('-', '').slice(0, 18).toUpperCase()}`,
  chat,
  content: { kind: 'text', text: 'Hello group' },
})

/** What every gateway promises about groups, whatever is behind it. */
export const groupsContract = (subject: () => Subject) => {
  const groups = () => subject().gateway.groups
  const made = async (participants: string[] = [maria]) => {
    const instance = await subject().connected()
    const { group, results } = await groups().create(instance.instanceId, { subject: 'Team', participants })
    return { ...instance, jid: group.jid, group, results }
  }
  const rolesIn = async (instanceId: string, jid: string) => {
    const { participants } = await groups().metadata(instanceId, jid)
    return Object.fromEntries(participants.map((one) => [one.jid, one.admin]))
  }
  /** Every call about one group. */
  const calls: readonly [string, (groups: GroupGateway, id: string, jid: string) => Promise<unknown>][] = [
    ['metadata', (groups, id, jid) => groups.metadata(id, jid)],
    ['setSubject', (groups, id, jid) => groups.setSubject(id, jid, 'New')],
    ['setDescription', (groups, id, jid) => groups.setDescription(id, jid, 'New')],
    ['changeParticipants', (groups, id, jid) => groups.changeParticipants(id, jid, 'add', [john])],
    ['inviteCode', (groups, id, jid) => groups.inviteCode(id, jid)],
    ['revokeInvite', (groups, id, jid) => groups.revokeInvite(id, jid)],
    ['leave', (groups, id, jid) => groups.leave(id, jid)],
  ]

  it('a group that is made has its subject, its people, and the instance as superadmin', async () => {
    const { instanceId, own, jid, group, results } = await made([maria, john])
    expect(jid).toMatch(/^\d[\d-]+@g\.us$/)
    expect(results).toEqual([
      { jid: maria, status: 200 },
      { jid: john, status: 200 },
    ])
    expect(group).toMatchObject({ subject: 'Team', owner: own })
    expect(group.description).toBeUndefined()
    expect(await rolesIn(instanceId, jid)).toEqual({ [own]: 'superadmin', [maria]: null, [john]: null })
    expect(await groups().metadata(instanceId, jid)).toEqual(group)
  })
  it('a group is made also where somebody does not want to be in it', async () => {
    const { unwilling } = subject().side
    const { instanceId, own, jid, results } = await made([unwilling, maria])
    expect(results.map(({ jid }) => jid)).toEqual([unwilling, maria])
    expect(results[0]?.status).not.toBe(200)
    expect(results[1]?.status).toBe(200)
    expect(await rolesIn(instanceId, jid)).toEqual({ [own]: 'superadmin', [maria]: null })
  })
  it('lists the groups that the instance is in, and those of no other', async () => {
    const { instanceId, jid } = await made()
    const other = await made()
    const joined = await subject().side.addedTo(instanceId, { subject: 'Theirs', by: maria })
    const listed = await groups().list(instanceId)
    expect(listed.map(({ jid }) => jid).toSorted()).toEqual([jid, joined].toSorted())
    expect(listed.find((group) => group.jid === jid)).toEqual(await groups().metadata(instanceId, jid))
    expect((await groups().list(other.instanceId)).map(({ jid }) => jid)).toEqual([other.jid])
  })
  it('subject and description change each for itself; an empty description is none', async () => {
    const { instanceId, jid } = await made()
    await groups().setSubject(instanceId, jid, 'Sales')
    expect(await groups().metadata(instanceId, jid)).toMatchObject({ subject: 'Sales' })
    await groups().setDescription(instanceId, jid, 'About sales')
    expect(await groups().metadata(instanceId, jid)).toMatchObject({
      subject: 'Sales',
      description: 'About sales',
    })
    await groups().setDescription(instanceId, jid, '')
    expect((await groups().metadata(instanceId, jid)).description).toBeUndefined()
  })
  it('people are added, each with a result of their own', async () => {
    const { unwilling } = subject().side
    const { instanceId, own, jid } = await made()
    const results = await groups().changeParticipants(instanceId, jid, 'add', [john, maria, unwilling])
    expect(results).toEqual([
      { jid: john, status: 200 },
      { jid: maria, status: 409 },
      { jid: unwilling, status: 403 },
    ])
    expect(await rolesIn(instanceId, jid)).toEqual({ [own]: 'superadmin', [maria]: null, [john]: null })
  })
  it('people are promoted, demoted and removed; for who is not in it that is 404', async () => {
    const { instanceId, own, jid } = await made([maria, john])
    const change = async (action: 'promote' | 'demote' | 'remove') =>
      (await groups().changeParticipants(instanceId, jid, action, [maria, nobody])).map(
        ({ status }) => status,
      )
    expect(await change('promote')).toEqual([200, 404])
    expect(await rolesIn(instanceId, jid)).toEqual({ [own]: 'superadmin', [maria]: 'admin', [john]: null })
    expect(await change('demote')).toEqual([200, 404])
    expect(await rolesIn(instanceId, jid)).toEqual({ [own]: 'superadmin', [maria]: null, [john]: null })
    expect(await change('remove')).toEqual([200, 404])
    expect(await rolesIn(instanceId, jid)).toEqual({ [own]: 'superadmin', [john]: null })
  })
  it('the invite code stays until it is revoked, which gives a new one', async () => {
    const { instanceId, jid } = await made()
    const code = await groups().inviteCode(instanceId, jid)
    expect(code).toMatch(/^[\w-]{10,}$/)
    expect(await groups().inviteCode(instanceId, jid)).toBe(code)
    const next = await groups().revokeInvite(instanceId, jid)
    expect(next).not.toBe(code)
    expect(await groups().inviteCode(instanceId, jid)).toBe(next)
  })
  it('a group that was left is gone, and takes no more messages', async () => {
    const { instanceId, jid } = await made()
    expect((await subject().gateway.send(textTo(instanceId, jid))).kind).toBe('sent')
    await groups().leave(instanceId, jid)
    expect(await groups().list(instanceId)).toEqual([])
    expect((await subject().gateway.send(textTo(instanceId, jid))).kind).toBe('refused')
    for (const [name, call] of calls)
      await expect(call(groups(), instanceId, jid), name).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
  it('a group that the instance is not in is not found, whatever is asked of it', async () => {
    const { instanceId } = await made()
    const other = await made()
    for (const jid of [unknown, other.jid])
      for (const [name, call] of calls)
        await expect(call(groups(), instanceId, jid), name).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
  it('in a group of others, of which it is no admin, it may look and leave only', async () => {
    const { instanceId, own } = await subject().connected()
    const jid = await subject().side.addedTo(instanceId, { subject: 'Theirs', by: maria })
    expect(await groups().metadata(instanceId, jid)).toMatchObject({ jid, subject: 'Theirs', owner: maria })
    expect(await rolesIn(instanceId, jid)).toEqual({ [maria]: 'superadmin', [own]: null })
    for (const [name, call] of calls.filter(([name]) => name !== 'metadata' && name !== 'leave'))
      await expect(call(groups(), instanceId, jid), name).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await groups().leave(instanceId, jid)
    expect(await groups().list(instanceId)).toEqual([])
  })
  it('without a connection every call is refused, and says so', async () => {
    const { instanceId, jid } = await made()
    await subject().gateway.close(instanceId, { forget: false })
    const refused = { code: 'INSTANCE_NOT_CONNECTED' }
    for (const [name, call] of calls)
      await expect(call(groups(), instanceId, jid), name).rejects.toMatchObject(refused)
    await expect(groups().list(randomUUID())).rejects.toMatchObject(refused)
    const group = { subject: 'Team', participants: [maria] }
    await expect(groups().create(instanceId, group)).rejects.toMatchObject(refused)
  })
  it('changes made at the same time are all kept', async () => {
    const { instanceId, jid } = await made()
    const people = Array.from({ length: 10 }, (_, n) => `55119777700${n + 10}@s.whatsapp.net`)
    await Promise.all(people.map((one) => groups().changeParticipants(instanceId, jid, 'add', [one])))
    await eventually(async () =>
      expect(Object.keys(await rolesIn(instanceId, jid))).toEqual(expect.arrayContaining(people)),
    )
  })
}
