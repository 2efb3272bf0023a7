import { spawn } from 'node:child_process'
import { setMaxListeners } from 'node:events'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { inProcessLeases } from '../../src/adapters/in-process/leases.ts'
import { postgresLeases, type LeaseTimes } from '../../src/adapters/postgres/leases.ts'
import { createLeasePool } from '../../src/adapters/postgres/pool.ts'
import type { Lease } from '../../src/ports/leases.ts'
import { leasesContract, untilEnded } from '../contracts/leases.ts'
import { createTestDatabase } from '../support/database.ts'
import { proxyTo } from '../support/postgres-proxy.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

const QUICK: LeaseTimes = { leaseMs: 900, renewMs: 150, lookMs: 60 }
const HOLDER = join(import.meta.dirname, '../support/lease-holder.ts')

const testDatabase = async () => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  return database
}

let nodes = 0
/** A node of its own on a database; every statement is counted by its name. */
const openNode = (url: string, times: LeaseTimes = QUICK) => {
  const node = { name: `node-${++nodes}`, url: `http://node-${nodes}` }
  const errors: unknown[] = []
  const statements: string[] = []
  const pool = createLeasePool(url, () => {})
  const { query } = pool
  const counted = Object.assign(pool, {
    query: (config: { name: string }) => {
      statements.push(config.name)
      return Reflect.apply(query, pool, [config])
    },
  })
  const leases = postgresLeases(counted, node, (error) => errors.push(error), times)
  const running = new AbortController()
  setMaxListeners(0, running.signal)
  const holds: Promise<void>[] = []
  const stop = async () => {
    running.abort()
    await Promise.all(holds)
  }
  onTestFinished(async () => {
    await stop()
    await pool.end()
  })
  return {
    node,
    errors,
    statements,
    stop,
    holderOf: leases.holderOf,
    hold: (name: string, work: (lease: Lease) => Promise<unknown>) => {
      const held = leases.hold(name, work, running.signal)
      holds.push(held)
      return held
    },
  }
}
type TestNode = ReturnType<typeof openNode>

/** Holds a lease for as long as it can, and takes down in a common list when it begins and ends. */
const holdAlways = ({ hold, node }: TestNode, name: string, seen: string[], terms: number[] = []) =>
  void hold(name, async (lease) => {
    seen.push(`${node.name} begins`)
    terms.push(lease.term)
    await untilEnded(lease)
    seen.push(`${node.name} ends`)
  })

const startHolder = (url: string, name: string) => {
  const child = spawn(process.execPath, ['--import', 'tsx', HOLDER, url, name, JSON.stringify(QUICK)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  child.stdout.on('data', (part: Buffer) => lines.push(...part.toString().split('\n').filter(Boolean)))
  const ended = new Promise((done) => child.once('close', done))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { lines, kill: (signal: NodeJS.Signals) => child.kill(signal) }
}

leasesContract('a node that is alone', async () => {
  const node = { name: 'alone', url: 'http://127.0.0.1' }
  const errors: unknown[] = []
  return { leases: inProcessLeases(node, (error) => errors.push(error)), node, errors }
})
leasesContract('a node among others', async () => {
  const { url } = await testDatabase()
  const node = { name: 'one', url: 'http://127.0.0.1' }
  const errors: unknown[] = []
  const pool = createLeasePool(url, (error) => errors.push(error))
  onTestFinished(() => pool.end())
  return { leases: postgresLeases(pool, node, (error) => errors.push(error), QUICK), node, errors }
})

test('while its holder lives nobody else gets a lease, and everybody knows who it is', async () => {
  const { url } = await testDatabase()
  const [first, second] = [openNode(url), openNode(url)]
  const seen: string[] = []
  holdAlways(first, 'work', seen)
  await eventually(() => expect(seen).toHaveLength(1))
  holdAlways(second, 'work', seen)
  // For longer than a lease lasts that is not renewed.
  const looks = (2 * QUICK.leaseMs) / QUICK.lookMs
  await eventually(() =>
    expect(second.statements.filter((name) => name === 'acquire-leases').length).toBeGreaterThan(looks),
  )
  expect(seen).toEqual([`${first.node.name} begins`])
  expect(await second.holderOf('work')).toEqual(first.node)
  expect(first.errors).toEqual([])
})

test('what is given back is handed over, long before it would have run out, under a higher term', async () => {
  const { url } = await testDatabase()
  const times = { ...QUICK, leaseMs: 3_600_000 }
  const all = [openNode(url, times), openNode(url, times), openNode(url, times)]
  const [seen, terms]: [string[], number[]] = [[], []]
  for (const node of all) holdAlways(node, 'work', seen, terms)
  for (const count of [1, 2]) {
    await eventually(() => expect(terms).toHaveLength(count))
    const holder = all.find(({ node }) => seen.at(-1) === `${node.name} begins`)
    await holder?.stop()
  }
  await eventually(() => expect(terms).toHaveLength(3))
  expect(terms).toEqual([1, 2, 3])
})

test('the lease of a process that is killed is taken over when it has run out', async () => {
  const { url } = await testDatabase()
  const holder = startHolder(url, 'work')
  await eventually(() => expect(holder.lines).toEqual(['holds 1']))
  const heir = openNode(url)
  const [seen, terms]: [string[], number[]] = [[], []]
  holdAlways(heir, 'work', seen, terms)
  holder.kill('SIGKILL')
  await eventually(() => expect(terms).toEqual([2]))
})

test('a process that was frozen finds out at once that it lost its lease, and asks for it anew', async () => {
  const { url } = await testDatabase()
  const holder = startHolder(url, 'work')
  await eventually(() => expect(holder.lines).toEqual(['holds 1']))
  holder.kill('SIGSTOP')
  const heir = openNode(url)
  const [seen, terms]: [string[], number[]] = [[], []]
  holdAlways(heir, 'work', seen, terms)
  await eventually(() => expect(terms).toEqual([2]))
  holder.kill('SIGCONT')
  await eventually(() => expect(holder.lines).toEqual(['holds 1', 'lost 1']))
  expect(terms).toEqual([2])
  await heir.stop()
  await eventually(() => expect(holder.lines.at(-1)).toBe('holds 3'))
})

test.each(['cut', 'hang'] as const)(
  'a node whose way to the database is %s gives up before another begins, and comes back by itself',
  async (fault) => {
    const { url } = await testDatabase()
    const proxy = await proxyTo(url)
    const [away, near] = [openNode(proxy.url), openNode(url)]
    const [seen, terms]: [string[], number[]] = [[], []]
    holdAlways(away, 'work', seen, terms)
    await eventually(() => expect(seen).toHaveLength(1))
    holdAlways(near, 'work', seen, terms)
    proxy[fault]()
    await eventually(() => expect(seen).toHaveLength(3))
    expect(seen).toEqual([`${away.node.name} begins`, `${away.node.name} ends`, `${near.node.name} begins`])
    expect(away.errors.map(String)).toContain('Error: Lost the lease of work')
    proxy.mend()
    await near.stop()
    await eventually(() => expect(seen.at(-1)).toBe(`${away.node.name} begins`))
    expect(terms).toEqual([1, 2, 3])
  },
)

test('a lease survives connections that are ended by the server', async () => {
  const { url } = await testDatabase()
  const node = openNode(url)
  const seen: string[] = []
  holdAlways(node, 'work', seen)
  await eventually(() => expect(seen).toHaveLength(1))
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  onTestFinished(() => client.end())
  for (const times of [1, 2, 3])
    await eventually(async () => {
      const { rowCount } = await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and query like '%update lease%'`,
      )
      expect(rowCount, `cut ${times}`).toBeGreaterThan(0)
    })
  const before = node.statements.length
  await eventually(() => expect(node.statements.length).toBeGreaterThan(before + 10))
  expect(seen).toEqual([`${node.node.name} begins`])
})

test('of three nodes that come and go, and lose their way, never two hold the same lease', async () => {
  const { url } = await testDatabase()
  const names = Array.from({ length: 12 }, (_, n) => `instance-${n}`)
  const proxies = await Promise.all([1, 2, 3].map(() => proxyTo(url)))
  const all = proxies.map((proxy) => openNode(proxy.url))
  const holders = new Map<string, string>()
  const terms = new Map<string, number[]>()
  const collisions: string[] = []
  for (const { hold, node } of all)
    for (const name of names)
      void hold(name, async (lease) => {
        if (holders.has(name)) collisions.push(`${name}: ${holders.get(name)} and ${node.name}`)
        holders.set(name, node.name)
        terms.set(name, [...(terms.get(name) ?? []), lease.term])
        await untilEnded(lease)
        holders.delete(name)
      })
  const begun = () => [...terms.values()].flat().length
  for (let round = 0; round < 6; round++) {
    await eventually(() => expect(holders.size).toBe(names.length))
    const before = begun()
    const proxy = proxies[all.findIndex(({ node }) => node.name === holders.get(`instance-${round}`))]
    proxy?.[round % 2 === 0 ? 'cut' : 'hang']()
    await eventually(() => expect(begun()).toBeGreaterThan(before))
    await eventually(() => expect(holders.size).toBe(names.length))
    proxy?.mend()
  }
  expect(collisions).toEqual([])
  for (const [name, given] of terms)
    expect(given, `${name}: terms rise`).toEqual([...new Set(given)].toSorted((a, b) => a - b))
})

test('hundreds of leases take few statements: one for each look and each renewal', async () => {
  const { url } = await testDatabase()
  const node = openNode(url)
  const holding = new Set<string>()
  for (let n = 0; n < 400; n++)
    void node.hold(`instance-${n}`, (lease) => (holding.add(lease.name), untilEnded(lease)))
  await eventually(() => expect(holding.size).toBe(400))
  expect(node.statements.filter((name) => name === 'acquire-leases').length).toBeLessThan(25)
  const before = node.statements.length
  await eventually(() => expect(node.statements.length).toBeGreaterThan(before + 5))
  expect(new Set(node.statements.slice(before))).toEqual(new Set(['renew-leases']))
  await node.stop()
  expect(node.statements.filter((name) => name === 'release-leases').length).toBeLessThan(10)
  expect(await node.holderOf('instance-7')).toBeUndefined()
})

test('nodes that start together share: none takes more than a part at one look', async () => {
  const { url } = await testDatabase()
  const all = [openNode(url), openNode(url)]
  const counts = new Map<string, number>()
  for (const { hold, node } of all)
    for (let n = 0; n < 120; n++)
      void hold(`instance-${n}`, (lease) => {
        counts.set(node.name, (counts.get(node.name) ?? 0) + 1)
        return untilEnded(lease)
      })
  await eventually(() => expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(120))
  for (const { node } of all) expect(counts.get(node.name)).toBeGreaterThan(20)
})

test('those that were asked for first are taken first', async () => {
  const { url } = await testDatabase()
  const node = openNode(url, { ...QUICK, lookMs: 3_600_000 })
  const begun: string[] = []
  const { opened, open } = gate()
  const names = ['projector', 'relay', 'purge', ...Array.from({ length: 200 }, (_, n) => `instance-${n}`)]
  for (const name of names) void node.hold(name, () => (begun.push(name), opened))
  await eventually(() => expect(begun.length).toBeGreaterThan(40))
  expect(begun).toEqual(expect.arrayContaining(['projector', 'relay', 'purge']))
  expect(begun.length).toBeLessThan(100)
  open()
})
