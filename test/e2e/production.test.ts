import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createClient } from '../support/client.ts'
import type { Program } from '../support/program.ts'
import { startEngines, type Engines } from './engines.ts'
import { ADMIN, createHome, type Home } from './home.ts'
import { losesNoIncomingMessage, PATIENCE, sendsEachMessageOnce, type World } from './main-job.ts'

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 })

let engines: Engines
let home: Home
/** The program that is there, or will be. */
let running: Promise<Program>
let token: string

beforeAll(async () => {
  engines = await startEngines(['eventstore', 'kafka'])
  home = await createHome({
    ...engines.environment,
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    WEBHOOK_TIMEOUT_SECONDS: '1',
    WEBHOOK_RETRY_SECONDS: `0.05,0.05,0.1,0.2,${Array(20).fill('0.5').join(',')}`,
  })
  running = home.start()
  const { body } = await createClient((await running).url).post('/auth/login', ADMIN)
  token = body.data.token
})
afterAll(async () => {
  await home?.remove()
  await engines?.remove()
})

const killProgram = async () => {
  const program = await running
  running = program.kill().then(() => home.start())
  await running
}
const killStore = async () => {
  await engines.eventStore?.kill()
  await engines.eventStore?.restart()
}
const killBroker = async () => {
  await engines.kafka?.kill()
  await engines.kafka?.start()
}

/** Killed in turn, so that each of them has been by the end. */
const worldOf = (): World => {
  const turns = [killBroker, killStore, killProgram]
  return {
    url: async () => (await running).url,
    token,
    disturb: async () => {
      const next = turns.shift()
      if (next) turns.push(next)
      await next?.()
    },
  }
}

describe('on EventStoreDB and Kafka, the broker, the store and the program killed in turn', () => {
  it('no incoming message is lost, and those of each conversation are delivered in order', () =>
    losesNoIncomingMessage(worldOf()))

  it('what was acknowledged, and what is repeated under its key, is sent once', () =>
    sendsEachMessageOnce(worldOf()))

  it('what fails meanwhile mends itself', async () => {
    await vi.waitFor(async () => {
      const { body } = await createClient((await running).url).get('/ready')
      expect(body.status).toBe('ok')
    }, PATIENCE)
  })
})
