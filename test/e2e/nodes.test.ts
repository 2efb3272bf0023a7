import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createClient } from '../support/client.ts'
import { startProgram, type Program } from '../support/program.ts'
import { range } from '../support/range.ts'
import { startEngines, type Engines } from './engines.ts'
import { ADMIN } from './home.ts'
import { losesNoIncomingMessage, PATIENCE, sendsEachMessageOnce, type World } from './main-job.ts'

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 })

const NODES = 3

/** Several programs on one set of engines; a place is empty while its node is dead. */
const startNodes = async (environment: Record<string, string>) => {
  const start = () =>
    startProgram({
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      OUTBOUND_ALLOW: '127.0.0.0/8',
      RATE_LIMIT_REQUESTS: '0',
      WEBHOOK_TIMEOUT_SECONDS: '1',
      WEBHOOK_RETRY_SECONDS: `0.05,0.05,0.1,0.2,${Array(20).fill('0.5').join(',')}`,
      ...environment,
    })
  // All at once, on an empty database: who comes first makes the tables and the first account.
  const nodes: (Program | undefined)[] = await Promise.all(range(NODES).map(start))
  const anyOf = () => {
    const alive = nodes.filter((node) => node !== undefined)
    const node = alive[randomInt(alive.length)]
    if (!node) throw new Error('No node is alive')
    return node
  }
  return {
    anyOf,
    urls: () => nodes.flatMap((node) => node?.url ?? []),
    /** Kills one at random, without a word to the others, and starts it again. */
    killOne: async () => {
      const place = randomInt(NODES)
      const node = nodes[place]
      nodes[place] = undefined
      await node?.kill()
      nodes[place] = await start()
    },
    stop: () => Promise.all(nodes.map(async (node) => node?.kill())),
  }
}

describe.each([
  { what: 'PostgreSQL alone', with: [] as const },
  { what: 'EventStoreDB and Kafka', with: ['eventstore', 'kafka'] as const },
])('three nodes on $what, one of them killed at random again and again', (choice) => {
  let engines: Engines
  let nodes: Awaited<ReturnType<typeof startNodes>>
  let world: World

  beforeAll(async () => {
    engines = await startEngines(choice.with)
    nodes = await startNodes(engines.environment)
    const { body } = await createClient(nodes.anyOf().url).post('/auth/login', ADMIN)
    world = {
      url: () => Promise.resolve(nodes.anyOf().url),
      token: body.data.token,
      disturb: nodes.killOne,
    }
  })
  afterAll(async () => {
    await nodes?.stop()
    await engines?.remove()
  })

  it('there is one account, and every node knows it', async () => {
    const { body } = await createClient(await world.url(), world.token).get('/users')
    expect(body.data).toHaveLength(1)
  })

  it('no incoming message is lost, and those of each conversation are delivered in order', () =>
    losesNoIncomingMessage(world))

  it('what was acknowledged, and what is repeated under its key, is sent once, whichever node took it', () =>
    sendsEachMessageOnce(world))

  it('in the end, each part of the work is done by one of them', async () => {
    await vi.waitFor(async () => {
      const stands = await Promise.all(
        nodes.urls().map(async (url) => (await createClient(url).get('/ready')).body),
      )
      expect(stands.map(({ status }) => status)).toEqual(range(NODES).map(() => 'ok'))
      const held: string[] = stands.flatMap(({ node }) => node.leases)
      expect(held.toSorted()).toEqual([
        'automations',
        'chain',
        'erase',
        'learn-contacts',
        'media-removal',
        'projector',
        'purge',
        'relay',
      ])
    }, PATIENCE)
  })
})
