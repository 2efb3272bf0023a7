import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { postgresCounters } from '../src/adapters/postgres/counters.ts'
import { createTurnPool } from '../src/adapters/postgres/pool.ts'
import { postgresTurns } from '../src/adapters/postgres/turns.ts'
import { startApp } from './support/app.ts'
import { createClient, createConnectedInstance, login, type Json } from './support/client.ts'
import { createTestDatabase } from './support/database.ts'
import { addTenant } from './http/world.ts'

const PATIENCE = { timeout: 20_000, interval: 20 }
type Node = Awaited<ReturnType<typeof startNode>>

/** The application as one of several nodes on a database: it has its turns from there. */
const startNode = async (
  database: Awaited<ReturnType<typeof createTestDatabase>>,
  environment: Record<string, string> = {},
) => {
  const faults: unknown[] = []
  const onError = (error: unknown) => void faults.push(error)
  const pool = createTurnPool(database.url, { max: 4, onError })
  const parts = { turns: postgresTurns(pool, onError), counters: postgresCounters(pool, onError) }
  const app = await startApp(environment, parts, database)
  return {
    ...app,
    turnFaults: faults,
    leave: async () => {
      await app.leave()
      await pool.end()
    },
  }
}

let database: Awaited<ReturnType<typeof createTestDatabase>>
let nodes: readonly [Node, Node]
beforeAll(async () => {
  database = await createTestDatabase()
  const first = await startNode(database)
  const second = { ROLES: 'api,projector,relay,webhooks', SEND_TIMEOUT_SECONDS: '600' }
  nodes = [first, await startNode(database, second)]
})
afterAll(async () => {
  await Promise.all(nodes.map(({ leave }) => leave()))
  await database.drop()
})

const turnsWereKept = () => expect(nodes.flatMap(({ turnFaults }) => turnFaults)).toEqual([])
const statusesOf = (answers: readonly { status: number }[]) => answers.map(({ status }) => status).toSorted()

it('lets one message of all nodes have the last place of a limit', async () => {
  const instance = await createConnectedInstance(nodes[0].admin)
  await nodes[0].admin.call('PATCH', `/instances/${instance}`, { daily_limit: 5 })
  const { body } = await nodes[0].admin.post(`/instances/${instance}/tokens`, { name: 'bot' })
  const answers = await Promise.all(
    Array.from({ length: 16 }, (_, n) =>
      createClient(nodes[n % 2 ? 1 : 0].url, body.data.token).post('/send-message', {
        recipient: `55119000000${n + 10}`,
        message: 'x',
      }),
    ),
  )
  const statuses = statusesOf(answers).map((status) => (status === 202 ? 200 : status))
  expect(statuses).toEqual([...Array(5).fill(200), ...Array(11).fill(429)])
  turnsWereKept()
})

it('leaves an administrator, whoever takes the role from whom at which node', async () => {
  for (const name of ['acme', 'umbrella', 'initech']) {
    const { client: admin } = await addTenant(nodes[0], name)
    const [first]: Json[] = (await admin.get('/users')).body.data
    const second = { name: 'B', email: `b@${name}.example`, password: 'another long password', role: 'admin' }
    const made = await admin.post('/users', second)
    const other = await login(nodes[1].url, second.email, second.password)
    const answers = await Promise.all([
      admin.call('PATCH', `/users/${made.body.data.user.id}`, { role: 'viewer' }),
      other.call('PATCH', `/users/${first?.id}`, { role: 'viewer' }),
    ])
    const [done, refused] = statusesOf(answers)
    expect(done).toBe(200)
    expect([403, 409]).toContain(refused)
  }
  turnsWereKept()
})

it('gives a name to one tag, whichever nodes are asked', async () => {
  for (const name of ['One', 'Two', 'Three']) {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        nodes[n % 2 ? 1 : 0].admin.post('/tags', { name, color: '#000000' }),
      ),
    )
    expect(statusesOf(answers)).toEqual([201, ...Array(9).fill(422)])
  }
  turnsWereKept()
})

it('counts together: failed logins are as few as on one node', async () => {
  const answers = await Promise.all(
    Array.from({ length: 14 }, (_, n) =>
      createClient(nodes[n % 2 ? 1 : 0].url).post('/auth/login', {
        email: 'a@example.com',
        password: 'wrong',
      }),
    ),
  )
  expect(statusesOf(answers)).toEqual([...Array(10).fill(401), ...Array(4).fill(429)])
})

it('says at once that a message waits whose instance another node has just lost', async () => {
  const instance = await createConnectedInstance(nodes[0].admin)
  const phone = (action: string) => nodes[0].admin.post(`/sandbox/instances/${instance}/${action}`, {})
  const send = (message: string) =>
    nodes[1].admin.post('/send-message', { recipient: '5511900000001', message, instance_id: instance })
  const texts = async () =>
    (await nodes[0].admin.get(`/sandbox/instances/${instance}/outbox`)).body.data.messages

  await vi.waitFor(async () => {
    await phone('connect')
    expect((await send('connected')).status).toBe(200)
    await phone('disconnect')
    // The other node believes for up to two seconds that it is connected. After that it refuses, as it should.
    expect((await send('waits')).body).toMatchObject({ success: true, status: 'queued' })
  }, PATIENCE)
  await phone('connect')
  await vi.waitFor(async () => expect((await texts()).at(-1)).toMatchObject({ text: 'waits' }), PATIENCE)
  await phone('disconnect')
  await vi.waitFor(async () => expect((await send('late')).status).toBe(409), PATIENCE)
})
