import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createTestDatabase } from '../support/database.ts'

const MAIN = join(import.meta.dirname, '../../dist/main.js')

it('a stop does not wait for a start that takes long, as one does that waits for read models', async () => {
  const database = await createTestDatabase()
  // The API alone: nobody keeps the read models that it waits for.
  const env = {
    PATH: process.env['PATH'],
    PORT: '0',
    LOG_LEVEL: 'warn',
    ROLES: 'api',
    DATABASE_URL: database.url,
  }
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((done) => child.once('close', (code, signal) => done(code ?? signal)))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
    await database.drop()
  })
  let output = ''
  child.stdout.on('data', (part: Buffer) => (output += part.toString()))

  await vi.waitFor(() => expect(output).toContain('waiting for the read models'), { timeout: 50_000 })
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
  expect(output).not.toContain('Zapini is ready')
})
