import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { postgresEventStore } from '../../src/adapters/postgres/event-store.ts'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { createClient, createConnectedInstance, login, type Json } from '../support/client.ts'
import { createTestDatabase } from '../support/database.ts'
import { freePort, startProgram, type Program } from '../support/program.ts'
import { ADMIN } from './home.ts'

const PATIENCE = { timeout: 60_000, interval: 100 }
vi.setConfig({ testTimeout: 180_000 })
const MARIA = '5511988887777'

const startNodes = async () => {
  const database = await createTestDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'zapini-e2e-'))
  const start = async (name: string) => {
    const port = await freePort()
    return startProgram({
      DATABASE_URL: database.url,
      DATA_DIR: join(folder, name),
      PORT: String(port),
      NODE_URL: `http://127.0.0.1:${port}`,
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      RATE_LIMIT_REQUESTS: '0',
      SEND_TIMEOUT_SECONDS: '60',
    })
  }
  const programs = [await start('one'), await start('two')] as const
  const pool = createPool(database.url, { max: 2, onError: () => {} })
  const store = postgresEventStore(pool, () => {})
  onTestFinished(async () => {
    await Promise.all(programs.map((program) => program.kill()))
    await store.close()
    await pool.end()
    await database.drop()
    await rm(folder, { recursive: true, force: true })
  })
  return { programs, store }
}

it('an owner that was stopped, and goes on after another took over, does no harm', async () => {
  const { programs, store } = await startNodes()
  const { token } = await login(programs[0].url, ADMIN.email, ADMIN.password)
  const at = ({ url }: Program) => createClient(url, token)
  const instance = await createConnectedInstance(at(programs[0]))
  const sessions = async (program: Program) => (await at(program).get('/ready')).body.node.instances
  const owner = (await sessions(programs[0])) === 1 ? programs[0] : programs[1]
  const other = owner === programs[0] ? programs[1] : programs[0]
  const send = (program: Program, message: string) =>
    at(program).post('/send-message', { instance_id: instance, recipient: MARIA, message, queue: true })

  expect((await send(other, 'before')).body.status).toBe('sent')
  process.kill(owner.pid, 'SIGSTOP')
  const answers = await Promise.all(['a', 'b', 'c'].map((text) => send(other, text)))
  expect(answers.map(({ body }) => body.status)).toEqual(['sent', 'sent', 'sent'])
  expect(await sessions(other)).toBe(1)
  process.kill(owner.pid, 'SIGCONT')

  await vi.waitFor(async () => expect(await sessions(owner)).toBe(0), PATIENCE)
  expect((await send(owner, 'after')).body.status).toBe('sent')
  const { messages } = (await at(owner).get(`/sandbox/instances/${instance}/outbox`)).body.data
  const texts = messages.map(({ text }: Json) => text)
  expect([texts[0], texts.slice(1, -1).toSorted(), texts.at(-1)]).toEqual([
    'before',
    ['a', 'b', 'c'],
    'after',
  ])
  const types = (await store.readStream(`instance-${instance}`)).map(({ type }) => type)
  expect(types).toEqual(['InstanceCreated', 'InstanceQrIssued', 'InstanceConnected', 'InstanceAssigned'])
  expect(await owner.stop()).toBe(0)
})
