import { expect, vi } from 'vitest'
import { firstTenantId, newId } from '../../src/domain/ids.ts'
import type { Role } from '../../src/domain/user.ts'
import { OPERATOR_TOKEN, type startApp } from '../support/app.ts'
import { createClient, login, type Client } from '../support/client.ts'

export type App = Awaited<ReturnType<typeof startApp>>

const PASSWORD = 'a password for tests'
const WAIT_MS = 30_000

/** The API as the operator sees it. */
export const operatorOf = (app: App): Client => createClient(app.url, OPERATOR_TOKEN)

/** The API with a new token of one instance. */
export const instanceClient = async (client: Client, instance: string): Promise<Client> => {
  const { body } = await client.post(`/instances/${instance}/tokens`, { name: 'test' })
  return client.as(body.data.token)
}

/** The API as a new user of the first tenant. */
export const userClient = async (app: App, role: Role): Promise<Client> => {
  const email = `${role}-${newId()}@example.com`
  const context = { tenant: firstTenantId, actor: { kind: 'system' }, correlation: 'test' } as const
  const user = { email, name: `The ${role}`, role, password: PASSWORD }
  const { position } = await app.accounts.addUser(user, context)
  await app.readModels.reached(position, WAIT_MS, 'accounts')
  return login(app.url, email, PASSWORD)
}

/** A new tenant, and the API as its administrator sees it. */
export const addTenant = async (app: App, name: string, fields: object = {}) => {
  const admin = { name: `Admin of ${name}`, email: `admin@${name}.example`, password: PASSWORD }
  const { body } = await operatorOf(app).post('/tenants', { name, admin, ...fields })
  const tenant: { readonly uuid: string; readonly id: number } = body.data.tenant
  return { tenant, admin, client: await login(app.url, admin.email, PASSWORD) }
}

/** Waits until the session of every instance has said how it is, which it does some time after it was asked for. */
export const untilSessionsAreOpen = (app: App) =>
  vi.waitFor(async () => {
    // The table may not know the newest instance yet.
    expect(await app.readModels.reached(await app.store.head(), WAIT_MS, 'instances')).toBe(true)
    const { rows } = await app.pool.query("select id from instance where status = 'pending'")
    expect(rows).toEqual([])
  }, WAIT_MS)

/** The end of the log, once what acts by itself has nothing left to do. */
export const endAtRest = async (app: App) => {
  await untilSessionsAreOpen(app)
  return vi.waitFor(async () => {
    const head = await app.store.head()
    const { reactions } = (await app.admin.get('/ready')).body
    for (const { name, position } of reactions) expect(position, name).toBe(String(head))
    return head
  }, WAIT_MS)
}

/** Does something that must leave the log as it is. */
export const storingNothing = async <T>(app: App, task: () => Promise<T>): Promise<T> => {
  const before = await endAtRest(app)
  const result = await task()
  expect(await endAtRest(app)).toBe(before)
  return result
}

/** Text as text is sent: `2025-01-15T10:30:00Z`. */
export const isoSecondsText = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
export const uuidText = expect.stringMatching(/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/)
