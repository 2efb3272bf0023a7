import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { conversationId, groupId } from '../../src/domain/ids.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Client, type Json } from '../support/client.ts'
import { addTenant, instanceClient, storingNothing, userClient, type App } from './world.ts'

let app: App
let instance: string
let own: string
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())
beforeEach(async () => {
  instance = await createConnectedInstance(app.admin)
  own = `${(await app.admin.get(`/instances/${instance}/status`)).body.data.phone_number}@s.whatsapp.net`
})

const [maria, john, unwilling] = ['5511987654321', '5511976543210', '5511900000000']
const jidOf = (number: string) => `${number}@s.whatsapp.net`
const done = (number: string) => ({ jid: jidOf(number), success: true, status: 200, error: null })
const refused = (number: string, status: number) => ({
  jid: jidOf(number),
  success: false,
  status,
  error: expect.stringMatching(/^[A-Z].+\.$/),
})
const at = (path = '') => `/instances/${instance}/groups${path}`
const create = async (fields: object = {}, client: Client = app.admin) => {
  const { body } = await client.post(at(), { subject: 'Marketing Team', participants: [maria], ...fields })
  const jid: string = body.data.group.jid
  return jid
}
const show = async (jid: string): Promise<Json> => (await app.admin.get(at(`/${jid}`))).body.data
const rolesIn = async (jid: string) =>
  Object.fromEntries((await show(jid)).participants.map(({ jid, admin }: Json) => [jid, admin]))
const phone = (action: string, body: object = {}) =>
  app.admin.post(`/sandbox/instances/${instance}/${action}`, body)
const eventsOf = async (jid: string) =>
  (await app.store.readStream(`group-${groupId(instance, jid)}`)).map(({ type, data, meta }) => ({
    type,
    data,
    actor: meta.actor,
  }))
/** A group made by somebody else. */
const joined = async (name: string) => {
  await phone('incoming', { from: maria, name: 'Maria', group: name, text: 'Welcome' })
  const { groups } = (await app.admin.get(at())).body.data
  const jid: string = groups.find(({ subject }: Json) => subject === name).jid
  return jid
}

describe('GET /instances/{id}/groups', () => {
  it.each(['', '/api/v1'])('at %s is as the reference shows', async (prefix) => {
    const jid = await create()
    await app.admin.call('PATCH', at(`/${jid}`), { description: 'Team discussions' })
    expect(await app.admin.get(prefix + at())).toMatchObject({
      status: 200,
      body: {
        success: true,
        data: {
          groups: [{ jid, subject: 'Marketing Team', owner: own, size: 2, description: 'Team discussions' }],
          total: 1,
        },
      },
    })
  })
  it('is empty for a new instance, and shows a group as soon as somebody writes in it', async () => {
    expect((await app.admin.get(at())).body).toEqual({ success: true, data: { groups: [], total: 0 } })
    const jid = await joined('Family')
    expect((await app.admin.get(at())).body.data).toEqual({
      groups: [{ jid, subject: 'Family', owner: jidOf(maria), size: 2, description: null }],
      total: 1,
    })
  })
})

describe('POST /instances/{id}/groups', () => {
  it('is as the reference shows', async () => {
    const { status, body } = await app.admin.post(at(), {
      subject: 'My New Group',
      participants: ['5511987654321', '5511976543210'],
    })
    expect(status).toBe(201)
    expect(body).toEqual({
      success: true,
      data: {
        group: { jid: expect.stringMatching(/^120363\d{12}@g\.us$/), subject: 'My New Group' },
        message: 'Group created successfully',
      },
    })
  })
  it('takes numbers in every notation, each person once', async () => {
    const participants = ['+55 (11) 98765-4321', maria, `${maria}@s.whatsapp.net`, `${john}@c.us`]
    expect(await rolesIn(await create({ participants }))).toEqual({
      [own]: 'superadmin',
      [jidOf(maria)]: null,
      [jidOf(john)]: null,
    })
  })
  it('says who could not be added, and why; the group is made', async () => {
    const participants = [maria, unwilling]
    const { status, body } = await app.admin.post(at(), { subject: 'Some', participants })
    expect(status).toBe(201)
    expect(body.data).toEqual({
      group: { jid: expect.any(String), subject: 'Some' },
      message: 'Group created successfully; 1 of 2 participants added',
      results: [done(maria), refused(unwilling, 403)],
    })
    expect(await rolesIn(body.data.group.jid)).toEqual({ [own]: 'superadmin', [jidOf(maria)]: null })
  })
  it.each([
    ['participants.1', { participants: [maria, 'Maria'] }],
    ['participants.0', { participants: ['120363001234567890@g.us'] }],
    ['participants', { participants: [] }],
    ['participants', { participants: Array.from({ length: 1025 }, (_, n) => String(5_511_900_000_001 + n)) }],
    ['subject', { subject: 'x'.repeat(101) }],
  ])('names %s if it is wrong', async (field, fields) => {
    const { status, body } = await storingNothing(app, () =>
      app.admin.post(at(), { subject: 'Team', participants: [maria], ...fields }),
    )
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual([field])
    expect((await app.admin.get(at())).body.data.total).toBe(0)
  })
})

describe('GET /instances/{id}/groups/{jid}', () => {
  it('is as the reference shows, by JID, escaped JID or bare id', async () => {
    const jid = await create({ participants: [john] })
    await app.admin.call('PATCH', at(`/${jid}`), { description: 'Team discussions' })
    for (const ref of [jid, encodeURIComponent(jid), jid.replace('@g.us', '')]) {
      const { status, body } = await app.admin.get(at(`/${ref}`))
      expect(status).toBe(200)
      expect(body).toEqual({
        success: true,
        data: {
          jid,
          subject: 'Marketing Team',
          description: 'Team discussions',
          owner: own,
          participants: [
            { jid: own, admin: 'superadmin' },
            { jid: jidOf(john), admin: null },
          ],
          size: 2,
        },
      })
    }
  })
})

describe('PATCH /instances/{id}/groups/{jid}', () => {
  const patch = (jid: string, body: object) => app.admin.call('PATCH', at(`/${jid}`), body)

  it('changes name and description, and answers the group', async () => {
    const jid = await create()
    const { status, body } = await patch(jid, {
      subject: 'New Group Name',
      description: 'Updated description',
    })
    expect(status).toBe(200)
    expect(body).toEqual({ success: true, message: 'Group updated', data: await show(jid) })
    expect(body.data).toMatchObject({ subject: 'New Group Name', description: 'Updated description' })
  })
  it('leaves alone what is not given; an empty description takes it away', async () => {
    const jid = await create()
    await patch(jid, { description: 'About us' })
    expect((await patch(jid, { subject: 'Us' })).body.data).toMatchObject({
      subject: 'Us',
      description: 'About us',
    })
    expect((await patch(jid, { description: '' })).body.data).toMatchObject({
      subject: 'Us',
      description: null,
    })
  })
  it('needs one of them', async () => {
    const jid = await create()
    const { status, body } = await storingNothing(app, () => patch(jid, {}))
    expect(status).toBe(422)
    expect(body.error.details).toEqual({ subject: ['is required unless description is given'] })
  })
})

describe('participants and admins', () => {
  const change = (method: string, path: string, participants: string[]) =>
    app.admin.call(method, at(path), { participants })

  it('people are added, promoted, demoted and removed, with a result for each', async () => {
    const jid = await create({ participants: ['5511911112222'] })
    const steps = [
      ['POST', 'participants', [maria, john], '2 participants added', null],
      ['POST', 'admins', [maria], '1 participant promoted to admin', 'admin'],
      ['DELETE', 'admins', [maria], '1 participant demoted from admin', null],
      ['DELETE', 'participants', [maria], '1 participant removed', undefined],
    ] as const
    for (const [method, what, people, message, role] of steps) {
      const { status, body } = await change(method, `/${jid}/${what}`, [...people])
      expect(status, message).toBe(200)
      expect(body).toEqual({ success: true, message, data: { jid, results: people.map(done) } })
      expect((await rolesIn(jid))[jidOf(maria)], message).toBe(role)
    }
    expect((await rolesIn(jid))[jidOf(john)]).toBe(null)
  })
  it.each(['participants', 'admins'])('DELETE %s also takes them in the query', async (what) => {
    const jid = await create({ participants: [maria, john] })
    await change('POST', `/${jid}/admins`, [maria, john])
    const { status, body } = await app.admin.delete(at(`/${jid}/${what}?participants=${maria},%2B${john}`))
    expect(status).toBe(200)
    expect(body.data.results).toEqual([done(maria), done(john)])
    const { status: without, body: complaint } = await app.admin.delete(at(`/${jid}/${what}`))
    expect(without).toBe(422)
    expect(complaint.error.details).toEqual({ participants: ['is required'] })
  })
  it('some refused: 200, with counts and the reason for each', async () => {
    const jid = await create()
    const { status, body } = await change('POST', `/${jid}/participants`, [john, maria, unwilling])
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      message: '1 of 3 participants added',
      data: { jid, results: [done(john), refused(maria, 409), refused(unwilling, 403)] },
    })
  })
  it.each([
    ['POST', 'participants', unwilling, 403],
    ['POST', 'participants', maria, 409],
    ['DELETE', 'participants', john, 404],
    ['POST', 'admins', john, 404],
    ['DELETE', 'admins', john, 404],
  ])('all refused by %s %s: 422 with the reasons, and nothing is stored', async (method, what, one, code) => {
    const jid = await create()
    const before = await show(jid)
    const { status, body } = await storingNothing(app, () => change(method, `/${jid}/${what}`, [one]))
    expect(status).toBe(422)
    expect(body).toMatchObject({
      success: false,
      error: {
        code: 'REFUSED_BY_WHATSAPP',
        message: expect.stringMatching(/^0 of 1 participant /),
        details: { results: [refused(one, code)] },
      },
    })
    expect(await show(jid)).toEqual(before)
  })
})

describe('leave', () => {
  it('ends it: the group is not listed, not found, and takes no message', async () => {
    const jid = await create()
    const { status, body } = await app.admin.post(at(`/${jid}/leave`))
    expect(status).toBe(200)
    expect(body).toEqual({ success: true, message: 'Left the group', data: { jid } })
    expect((await app.admin.get(at())).body.data).toEqual({ groups: [], total: 0 })
    expect((await app.admin.post(at(`/${jid}/leave`))).status).toBe(404)
    const send = { instance_id: instance, recipient: jid, message: 'Anybody?' }
    const sent = await app.admin.post('/send-message', send)
    expect(sent.status).toBe(422)
    expect(sent.body.error).toMatchObject({ code: 'SEND_FAILED', message: expect.stringContaining('group') })
  })
})

describe('the invite link', () => {
  it('is shown and revoked as the reference shows', async () => {
    const jid = await create()
    const { status, body } = await app.admin.get(at(`/${jid}/invite`))
    expect(status).toBe(200)
    const { code } = body.data
    expect(code).toMatch(/^\w{12,}$/)
    expect(body).toEqual({ success: true, data: { code, invite_link: `https://chat.whatsapp.com/${code}` } })
    const revoked = await app.admin.delete(at(`/${jid}/invite`))
    expect(revoked.status).toBe(200)
    const { new_code: next } = revoked.body.data
    expect(next).not.toBe(code)
    expect(revoked.body).toEqual({
      success: true,
      message: 'Invite link revoked',
      data: { new_code: next, new_invite_link: `https://chat.whatsapp.com/${next}` },
    })
    expect((await app.admin.get(at(`/${jid}/invite`))).body.data.code).toBe(next)
  })
})

/** The calls about one group, as somebody makes them. */
const callsOn = (jid: string): readonly [string, string, object?][] => [
  ['GET', at(`/${jid}`)],
  ['PATCH', at(`/${jid}`), { subject: 'Theirs' }],
  ['POST', at(`/${jid}/participants`), { participants: [john] }],
  ['DELETE', at(`/${jid}/participants`), { participants: [john] }],
  ['POST', at(`/${jid}/admins`), { participants: [john] }],
  ['DELETE', at(`/${jid}/admins`), { participants: [john] }],
  ['GET', at(`/${jid}/invite`)],
  ['DELETE', at(`/${jid}/invite`)],
  ['POST', at(`/${jid}/leave`)],
]
const allRefused = async (calls: readonly [string, string, object?][], status: number, code: string) => {
  for (const [method, path, body] of calls) {
    const answer = await storingNothing(app, () => app.admin.call(method, path, body))
    expect(answer.status, `${method} ${path}`).toBe(status)
    expect(answer.body.error.code, `${method} ${path}`).toBe(code)
  }
}

describe('what cannot be', () => {
  it('is answered 409 while the instance is not connected', async () => {
    const jid = await create()
    await phone('disconnect')
    const all: [string, string, object?][] = [
      ['GET', at()],
      ['POST', at(), { subject: 'Team', participants: [maria] }],
    ]
    await allRefused([...all, ...callsOn(jid)], 409, 'INSTANCE_NOT_CONNECTED')
    await phone('connect')
    expect(await show(jid)).toMatchObject({ jid })
  })
  it('is answered 404 for a group that is none, or another instance’s', async () => {
    const [here, theirs] = [instance, await create()]
    instance = await createConnectedInstance(app.admin, 'other')
    expect(instance).not.toBe(here)
    for (const jid of [theirs, '120363999999999999@g.us', '12', 'team', jidOf(maria)])
      await allRefused(callsOn(jid), 404, 'NOT_FOUND')
  })
  it('is answered 403 where the instance is not an admin; it may still look and leave', async () => {
    const jid = await joined('Theirs')
    const [look, ...calls] = callsOn(jid)
    await allRefused(calls.slice(0, -1), 403, 'FORBIDDEN')
    expect((await app.admin.get(look?.[1] ?? '')).status).toBe(200)
    expect((await app.admin.post(at(`/${jid}/leave`))).status).toBe(200)
  })
  it('is answered 404 to another tenant, and to the token of another instance', async () => {
    const jid = await create()
    const { client } = await addTenant(app, 'curious')
    const neighbour = await instanceClient(app.admin, await createConnectedInstance(app.admin, 'next door'))
    for (const stranger of [client, neighbour])
      for (const [method, path, body] of [['GET', at()] as const, ...callsOn(jid)])
        expect((await stranger.call(method, path, body)).status).toBe(404)
    expect(await rolesIn(jid)).toEqual({ [own]: 'superadmin', [jidOf(maria)]: null })
  })
  it('is answered 403 to a viewer, who may look only', async () => {
    const viewer = await userClient(app, 'viewer')
    const jid = await create()
    expect((await viewer.get(at())).status).toBe(200)
    expect((await viewer.get(at(`/${jid}`))).status).toBe(200)
    for (const [method, path, body] of callsOn(jid).filter(([method]) => method !== 'GET'))
      expect((await viewer.call(method, path, body)).status).toBe(403)
    expect((await viewer.post(at(), { subject: 'Mine', participants: [maria] })).status).toBe(403)
  })
})

describe('in the log', () => {
  it('stands what was done, with who did it', async () => {
    const bot = await instanceClient(app.admin, instance)
    const jid = await create({ participants: [maria, unwilling] }, bot)
    await app.admin.call('PATCH', at(`/${jid}`), { subject: 'Sales', description: 'All sales' })
    await bot.post(at(`/${jid}/admins`), { participants: [maria, john] })
    await bot.delete(at(`/${jid}/invite`))
    await bot.post(at(`/${jid}/leave`))
    const [token, user] = [
      { kind: 'token', id: expect.any(String) },
      { kind: 'user', id: expect.any(String) },
    ]
    const about = { instanceId: instance, chat: jid, at: expect.any(String) }
    const added = [
      { jid: jidOf(maria), status: 200 },
      { jid: jidOf(unwilling), status: 403 },
    ]
    const promoted = [
      { jid: jidOf(maria), status: 200 },
      { jid: jidOf(john), status: 404 },
    ]
    expect(await eventsOf(jid)).toEqual([
      {
        type: 'GroupCreated',
        actor: token,
        data: { ...about, subject: 'Marketing Team', participants: added },
      },
      { type: 'GroupChanged', actor: user, data: { ...about, subject: 'Sales' } },
      { type: 'GroupChanged', actor: user, data: { ...about, description: 'All sales' } },
      {
        type: 'GroupParticipantsChanged',
        actor: token,
        data: { ...about, action: 'promote', participants: promoted },
      },
      { type: 'GroupInviteRevoked', actor: token, data: about },
      { type: 'GroupLeft', actor: token, data: about },
    ])
  })
  it('goes from the history of the conversation with everything else, once that is deleted', async () => {
    const jid = await create()
    const say = (text: string) => phone('incoming', { from: maria, name: 'Maria', group: jid, text })
    const historyOf = async (): Promise<string[]> => {
      const { body } = await app.admin.get(`/conversations/${conversationId(instance, jid)}/history`)
      return body.data.history.map(({ type }: Json) => type)
    }
    await say('before')
    expect(await historyOf()).toContain('group.created')
    await app.admin.delete(`/conversations/${conversationId(instance, jid)}`)
    // While it is being erased the phone forgets the group, and finds it again with the next message.
    const leave = async () => {
      await say('after')
      return (await app.admin.post(at(`/${jid}/leave`))).status
    }
    await expect.poll(leave).toBe(200)
    const types = await historyOf()
    expect(types[0]).toBe('conversation.deleted')
    expect(types).toContain('group.left')
    expect(types).not.toContain('group.created')
  })
  it('stands nothing of what was only asked', async () => {
    const jid = await create()
    await storingNothing(app, async () => {
      for (const path of ['', `/${jid}`, `/${jid}/invite`])
        expect((await app.admin.get(at(path))).status).toBe(200)
    })
  })
})

describe('when the session is opened again', () => {
  it('the groups are there as before', async () => {
    const jid = await create({ participants: [maria, john] })
    const before = await show(jid)
    await app.admin.post(`/instances/${instance}/disconnect`)
    await expect.poll(async () => (await app.admin.get(at())).status).toBe(409)
    await app.admin.post(`/instances/${instance}/reconnect`)
    await expect.poll(async () => (await app.admin.get(at())).status).toBe(200)
    expect(await show(jid)).toEqual(before)
  })
})
