import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { visitEmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'
import { createClient, createConnectedInstance, incomingPayload, login } from '../support/client.ts'
import { startCommand } from '../support/program.ts'
import { range } from '../support/range.ts'
import { ADMIN, createHome, type Home } from './home.ts'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })
const PATIENCE = { timeout: 20_000, interval: 50 }

let home: Home
beforeAll(async () => {
  home = await createHome({ ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password })
})
afterAll(() => home.remove())

const verify = async (...args: string[]) => {
  const command = startCommand(['verify', ...args], { DATA_DIR: home.dataDir })
  return { code: await command.ended, output: command.output() }
}

/** Asks the database of the data folder, whether a program runs there or not. */
const query = async (text: string) => {
  const server = await visitEmbeddedPostgres({ directory: join(home.dataDir, 'postgres'), log: () => {} })
  const client = new pg.Client({ connectionString: server.connectionString })
  await client.connect()
  try {
    return (await client.query<Record<string, string>>(text)).rows
  } finally {
    await client.end()
    await server.stop()
  }
}
const links = async () => {
  const rows = await query('select l.before::text, l.events::text from log_digest l order by l.before')
  return rows.map(({ before, events }) => [before, events])
}

test('the chain goes on over a SIGKILL; what is right is called right, and one byte that is not is named', async () => {
  const first = await home.start()
  const admin = await login(first.url, ADMIN.email, ADMIN.password)
  const instance = await createConnectedInstance(admin)
  const receive = (url: string, id: string) =>
    createClient(url, admin.token).post(`/webhooks/instance/${instance}/incoming`, incomingPayload(id))
  const killed = range(200).map((n) => receive(first.url, `A${n}`).catch(() => undefined))
  await vi.waitFor(async () => expect((await links()).length).toBeGreaterThan(1), PATIENCE)
  await first.kill()
  await Promise.all(killed)

  const second = await home.start()
  await Promise.all(range(100).map((n) => receive(second.url, `B${n}`)))
  const running = await verify()
  expect(running, 'beside the program').toMatchObject({ code: 0 })
  expect(running.output).toMatch(/^All is well\.$/m)
  expect(running.output).toMatch(/^Table message: \d+ rows at position \d+; 0 differences$/m)
  expect(running.output, 'no words of anybody').not.toContain('text of')
  const noted = /--expect (\d+:[0-9a-f]{64})/.exec(running.output)?.[1] ?? ''
  expect(await second.stop()).toBe(0)

  const chain = await links()
  chain.forEach(([before], n) => expect(before).toBe(chain[n - 1]?.[1] ?? '0'))
  const [log] = await query('select count(*)::text as events from event')
  expect(chain.at(-1)?.[1], 'a stop leaves no event without a link').toBe(log?.['events'])

  const stopped = await verify('--json', '--log', '--expect', noted)
  expect(stopped.code, stopped.output).toBe(0)
  expect(JSON.parse(stopped.output.slice(stopped.output.indexOf('{')))).toMatchObject({
    ok: true,
    log: { events: Number(log?.['events']), chained: Number(log?.['events']), difference_count: 0 },
  })

  const [tenant] = await query(`update tenant set name = 'Changed' returning id::text`)
  const changed = await verify('tenant')
  expect(changed.code).toBe(1)
  expect(changed.output).toMatch(new RegExp(`row ${tenant?.['id']}, name: \\(7 characters\\) in the table`))

  const [event] = await query(
    `update event set data = regexp_replace(data::text, '("box":".{20}[^A-Y]*)[A-Y]', '\\1Z')::json
     where position = (select max(position) from event where type = 'MessageReceived')
     returning position::text, stream, revision::text`,
  )
  const flipped = await verify('--log')
  expect(flipped.code).toBe(1)
  const place = `position ${event?.['position']}, ${event?.['stream']} revision ${event?.['revision']}, MessageReceived`
  expect(flipped.output).toContain(`${place}: is not the event that was recorded here`)
  expect(flipped.output).toContain(`${place}: what is sealed in it does not open`)
  expect(flipped.output).toMatch(/^2 differences\.$/m)
})

test('a table that there is not is wrong usage', async () => {
  const { code, output } = await verify('nothing-like-it')
  expect(code).toBe(2)
  expect(output).toContain('There is no read model nothing-like-it. There are: ')
})
