import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { userId } from '../../src/domain/ids.ts'
import { ADMIN, startApp } from '../support/app.ts'
import { createClient, login, type Client, type Json } from '../support/client.ts'
import { addTenant, isoSecondsText, storingNothing, uuidText, type App } from './world.ts'

let app: App
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

const PASSWORD = 'a password of a user'
let made = 0
const addUser = async (client: Client, role = 'agent', fields: object = {}) => {
  const email = `person${++made}@example.com`
  const { status, body } = await client.post('/users', {
    name: 'Bia',
    email,
    role,
    password: PASSWORD,
    ...fields,
  })
  expect(status).toBe(201)
  return { email, ...body.data.user, password: body.data.password }
}
const patch = (client: Client, id: string | number, body: object) =>
  client.call('PATCH', `/users/${id}`, body)
const tryLogin = (email: string, password = PASSWORD) =>
  createClient(app.url).post('/auth/login', { email, password })
const refused = async (call: () => Promise<{ status: number; body: Json }>) => {
  const { status, body } = await storingNothing(app, call)
  expect(status).toBe(409)
  expect(body.error.code).toBe('CONFLICT')
  return body.error
}

describe('the users of an account', () => {
  it('are added, shown by number and UUID, and listed page by page', async () => {
    const { client } = await addTenant(app, 'listed')
    const user = await addUser(client, 'viewer')
    expect(user).toEqual({
      id: expect.any(Number),
      uuid: uuidText,
      name: 'Bia',
      email: user.email,
      role: 'viewer',
      disabled: false,
      created_at: isoSecondsText,
      password: undefined,
    })
    for (const ref of [user.id, user.uuid, user.uuid.toUpperCase()])
      expect((await client.get(`/users/${ref}`)).body.data.user).toMatchObject({ id: user.id })
    const { body } = await client.get('/users?per_page=1&page=2')
    expect(body.data.map(({ id }: Json) => id)).toEqual([user.id])
    expect(body.meta.pagination).toEqual({ total: 2, per_page: 1, current_page: 2, last_page: 2 })
  })
  it('get a password that is made up and shown once, if none is given', async () => {
    const { email, uuid, password } = await addUser(app.admin, 'agent', { password: undefined })
    expect(password.length).toBeGreaterThanOrEqual(16)
    expect((await tryLogin(email, password)).status).toBe(200)
    const shown = await app.admin.get(`/users/${uuid}`)
    expect(JSON.stringify(shown.body)).not.toContain(password)
  })
  it('have an address of their own: a taken one is refused, in the same words wherever it is taken', async () => {
    const { client, admin } = await addTenant(app, 'taken')
    const add = (by: Client, email: string) =>
      by.post('/users', { name: 'x', email, role: 'viewer', password: PASSWORD })
    const own = await refused(() => add(client, admin.email))
    const ofOther = await refused(() => add(client, ADMIN.email.toUpperCase()))
    expect(ofOther).toEqual(own)
    expect(JSON.stringify(ofOther)).not.toMatch(/Default|tenant/i)
  })
  it('get another name and role, and with it other rights at once', async () => {
    const { email, uuid } = await addUser(app.admin, 'viewer')
    const client = await login(app.url, email, PASSWORD)
    const create = () => client.post('/instances', { name: 'theirs' })
    expect((await create()).status).toBe(403)
    const { body } = await patch(app.admin, uuid, { name: 'Beatriz', role: 'admin' })
    expect(body.data.user).toMatchObject({ name: 'Beatriz', role: 'admin' })
    expect((await create()).status).toBe(201)
    await storingNothing(app, () => patch(app.admin, uuid, { name: 'Beatriz', role: 'admin' }))
    await patch(app.admin, uuid, { role: 'viewer' })
    expect((await create()).status).toBe(403)
    expect((await client.get('/auth/me')).body.data.user).toMatchObject({ name: 'Beatriz', role: 'viewer' })
  })
})

describe('a disabled user', () => {
  it('is out at once with every token, cannot log in, and is told no more than a wrong password is', async () => {
    const { email, id } = await addUser(app.admin)
    const [one, two] = [await login(app.url, email, PASSWORD), await login(app.url, email, PASSWORD)]
    expect((await one.get('/auth/me')).status).toBe(200)
    const { status, body } = await app.admin.post(`/users/${id}/disable`)
    expect(status).toBe(200)
    expect(body.data.user).toMatchObject({ id, disabled: true })
    await storingNothing(app, async () => {
      for (const client of [one, two]) {
        expect((await client.get('/auth/me')).status).toBe(401)
        expect((await client.post('/auth/refresh')).status).toBe(401)
      }
      const [right, wrong] = [await tryLogin(email), await tryLogin(email, 'wrong')]
      expect(right.status).toBe(401)
      expect(right.body).toEqual(wrong.body)
      expect((await app.admin.post(`/users/${id}/disable`)).status, 'again').toBe(200)
    })
    expect((await app.admin.post(`/users/${id}/enable`)).body.data.user.disabled).toBe(false)
    expect((await tryLogin(email)).status).toBe(200)
    expect((await one.get('/auth/me')).status).toBe(200)
  })
  it('is never oneself', async () => {
    await addUser(app.admin, 'admin')
    const self = (await app.admin.get('/auth/me')).body.data.user.id
    await refused(() => app.admin.post(`/users/${self}/disable`))
    expect((await app.admin.get('/auth/me')).status).toBe(200)
  })
})

describe('the last administrator', () => {
  it('stays one, whoever asks, until there is another who can log in', async () => {
    const { client, admin } = await addTenant(app, 'single')
    const first = userId(admin.email)
    await addUser(client, 'agent')
    const other = await addUser(client, 'admin')
    await client.post(`/users/${other.id}/disable`)
    await refused(() => patch(client, first, { role: 'agent' }))
    await client.post(`/users/${other.id}/enable`)
    expect((await patch(client, first, { role: 'agent' })).status).toBe(200)
    const second = await login(app.url, other.email, PASSWORD)
    await refused(() => patch(second, other.id, { role: 'viewer' }))
    expect((await client.get('/users')).status, 'no longer an administrator').toBe(403)
  })
  it.each([
    ['demote', (by: Client, id: string) => patch(by, id, { role: 'viewer' })],
    ['disable', (by: Client, id: string) => by.post(`/users/${id}/disable`)],
  ])('is left when all %s each other at once', async (what, act) => {
    const { client, admin } = await addTenant(app, `race-${what}`)
    const others = await Promise.all(Array.from({ length: 3 }, () => addUser(client, 'admin')))
    const ids: string[] = [userId(admin.email), ...others.map(({ uuid }) => uuid)]
    const clients = [
      client,
      ...(await Promise.all(others.map(({ email }) => login(app.url, email, PASSWORD)))),
    ]
    const answers = await Promise.all(clients.map((one, n) => act(one, ids[(n + 1) % ids.length] ?? '')))
    const left = await app.db
      .selectFrom('account')
      .selectAll()
      .where('id', 'in', ids)
      .where('role', '=', 'admin')
      .where('disabled', '=', false)
      .execute()
    expect(left.length).toBeGreaterThan(0)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(ids.length - left.length)
    for (const { status } of answers) expect([200, 401, 403, 409]).toContain(status)
  })
})

describe('a new password', () => {
  it('set by an administrator ends every token of before, and the old password', async () => {
    const { email, uuid } = await addUser(app.admin)
    const before = await login(app.url, email, PASSWORD)
    expect((await before.get('/auth/me')).status).toBe(200)
    const { status, body } = await app.admin.post(`/users/${uuid}/reset-password`)
    expect(status).toBe(200)
    const { password } = body.data
    expect((await before.get('/auth/me')).status).toBe(401)
    expect((await tryLogin(email)).status).toBe(401)
    const after = await login(app.url, email, password)
    expect((await after.get('/auth/me')).status).toBe(200)

    const chosen = await app.admin.post(`/users/${uuid}/reset-password`, { password: 'chosen by the admin' })
    expect(chosen.body.data).not.toHaveProperty('password')
    expect((await after.get('/auth/me')).status).toBe(401)
    expect((await tryLogin(email, 'chosen by the admin')).status).toBe(200)
  })
  it('set by oneself ends every token but the one that it was set with', async () => {
    const { email, uuid } = await addUser(app.admin)
    const [own, other] = [await login(app.url, email, PASSWORD), await login(app.url, email, PASSWORD)]
    const change = (current_password: string, new_password: string) =>
      own.post('/auth/password', { current_password, new_password })
    const wrong = await storingNothing(app, () => change('a wrong password', 'the next password'))
    expect(wrong.status).toBe(422)
    expect(wrong.body.error.details).toEqual({ current_password: ['is not the present password'] })
    expect(await change(PASSWORD, 'the next password')).toMatchObject({
      status: 200,
      body: { success: true },
    })
    expect((await own.get('/auth/me')).status).toBe(200)
    expect((await other.get('/auth/me')).status).toBe(401)
    expect((await tryLogin(email)).status).toBe(401)
    expect((await tryLogin(email, 'the next password')).status).toBe(200)
    await app.admin.post(`/users/${uuid}/reset-password`)
    expect((await own.get('/auth/me')).status, 'kept once, not for ever').toBe(401)
  })
  it('of another account is out of reach, and instances keep their tokens', async () => {
    const { email, uuid } = await addUser(app.admin, 'admin')
    const maker = await login(app.url, email, PASSWORD)
    const instance = (await maker.post('/instances', { name: 'kept' })).body.data.instance.uuid
    const { token } = (await maker.post(`/instances/${instance}/tokens`, { name: 'bot' })).body.data
    await app.admin.post(`/users/${uuid}/reset-password`)
    await app.admin.post(`/users/${uuid}/disable`)
    expect((await maker.get('/auth/me')).status).toBe(401)
    expect((await app.admin.as(token).get('/status')).status).toBe(200)
  })
  it('cannot be found out by trying: after ten wrong ones it is 429', async () => {
    const { email } = await addUser(app.admin)
    const client = await login(app.url, email, PASSWORD)
    const guess = () =>
      client.post('/auth/password', { current_password: 'a guess', new_password: 'the next password' })
    const statuses: number[] = []
    for (let n = 0; n < 12; n++) statuses.push((await guess()).status)
    expect(statuses.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => 422))
    expect(statuses.at(-1)).toBe(429)
  })
})

describe('who did what', () => {
  it('stands in every event: those of two users name each', async () => {
    const people = await Promise.all([addUser(app.admin, 'admin'), addUser(app.admin, 'admin')])
    const named = async (ref: string) =>
      (await app.store.readStream(`instance-${ref}`)).map(({ type, meta }) => [type, meta.actor])
    const [one, two] = await Promise.all(people.map(({ email }) => login(app.url, email, PASSWORD)))
    const [first, second] = people.map(({ uuid }) => ({ kind: 'user', id: uuid }))
    const instance = (await one?.post('/instances', { name: 'shared' }))?.body.data.instance.uuid
    await two?.call('PATCH', `/instances/${instance}`, { name: 'renamed' })
    expect(await named(instance)).toEqual(
      expect.arrayContaining([
        ['InstanceCreated', first],
        ['InstanceRenamed', second],
      ]),
    )
  })
})
