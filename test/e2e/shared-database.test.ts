import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createConnectedInstance, incomingPayload, login } from '../support/client.ts'
import { createTestDatabase } from '../support/database.ts'
import { freePort, startProgram } from '../support/program.ts'
import { ADMIN } from './home.ts'

vi.setConfig({ testTimeout: 120_000 })
const MAIN = join(import.meta.dirname, '../../dist/main.js')

const environmentFor = async (more: Record<string, string> = {}) => {
  const database = await createTestDatabase()
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const dataDir = await mkdtemp(join(tmpdir(), 'zapini-e2e-'))
  onTestFinished(async () => {
    await client.end()
    await database.drop()
    await rm(dataDir, { recursive: true, force: true })
  })
  const environment = {
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    LOG_LEVEL: 'info',
    ...more,
  }
  return { environment, client }
}

test('a start after a crash waits for the leases of the process before, and says so', async () => {
  const { environment, client } = await environmentFor()
  const first = await startProgram(environment)
  const admin = await login(first.url, ADMIN.email, ADMIN.password)
  const instance = await createConnectedInstance(admin)
  await admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('FIRST'))
  await first.kill()
  // As if it had been renewed just now, however long the next start takes to say what it waits for.
  const renewed = `update lease set until = now() + interval '1 second' where node <> ''`
  const second = await startProgram(environment, (output) =>
    vi.waitFor(async () => {
      await client.query(renewed)
      expect(output()).toContain('its lease runs out in some seconds')
    }, 60_000),
  )
  onTestFinished(() => second.kill())
  const again = await login(second.url, ADMIN.email, ADMIN.password)
  expect((await again.get('/conversations')).body.data).toHaveLength(1)
  expect((await again.get('/ready')).body).toMatchObject({ status: 'ok' })
  const begun = performance.now()
  expect(await second.stop()).toBe(0)
  const third = await startProgram(environment)
  console.info(`stopped and started within ${Math.round(performance.now() - begun)} ms`)
  expect(third.output(), 'what was given back is not waited for').not.toContain('runs out')
  expect(await third.stop()).toBe(0)
})

test('a start that waits for another node is not ready, and ends with Ctrl-C', async () => {
  const PORT = String(await freePort())
  const { environment } = await environmentFor({ ROLES: 'api', PORT })
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => (output += part.toString()))
  const ended = new Promise<number | null>((done) => child.once('close', (code) => done(code)))
  await vi.waitFor(() => expect(output).toContain('no node with the role projector'), 60_000)
  const ready = await fetch(`http://127.0.0.1:${PORT}/ready`)
  expect(ready.status).toBe(503)
  expect(await ready.json()).toMatchObject({ status: 'starting', node: { roles: ['api'], leases: [] } })
  child.kill('SIGINT')
  expect(await ended).toBe(0)
})
