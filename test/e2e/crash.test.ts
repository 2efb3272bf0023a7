import { afterAll, beforeAll, describe, it, vi } from 'vitest'
import { createClient } from '../support/client.ts'
import type { Program } from '../support/program.ts'
import { ADMIN, createHome, type Home } from './home.ts'
import { losesNoIncomingMessage, sendsEachMessageOnce, type World } from './main-job.ts'

vi.setConfig({ testTimeout: 120_000 })

let home: Home
/** The program that is there, or will be. */
let running: Promise<Program>
let token: string

beforeAll(async () => {
  home = await createHome({
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    WEBHOOK_RETRY_SECONDS: `0.05,0.05,0.1,0.2,${Array(20).fill('0.5').join(',')}`,
  })
  running = home.start()
  const { body } = await createClient((await running).url).post('/auth/login', ADMIN)
  token = body.data.token
})
afterAll(() => home.remove())

const worldWhere = (withPostgres: boolean): World => ({
  url: async () => (await running).url,
  token,
  disturb: async () => {
    const program = await running
    running = Promise.all([program.kill(), withPostgres && home.killPostgres()]).then(() => home.start())
    await running
  },
})

describe.each([
  { what: 'the program', withPostgres: false },
  { what: 'the program and its PostgreSQL', withPostgres: true },
])('killing $what again and again', ({ withPostgres }) => {
  it('loses no incoming message, and delivers those of each conversation in order', () =>
    losesNoIncomingMessage(worldWhere(withPostgres)))

  it('sends what was acknowledged, and what is repeated under its key, once', () =>
    sendsEachMessageOnce(worldWhere(withPostgres)))
})
