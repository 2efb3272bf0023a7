import { setMaxListeners } from 'node:events'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { NO_STREAM, START, type Position } from '../../src/ports/event-store.ts'
import { projections } from '../../src/projections/index.ts'
import { createMark } from '../../src/projections/mark.ts'
import { createReadModels, type ReadModel } from '../../src/projections/read-models.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import { shareMarks } from '../../src/projections/shared-marks.ts'
import { incoming, messageStream, toAppend } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { allRows } from '../support/rows.ts'
import { tellStory } from '../support/story.ts'
import { eventually } from '../support/eventually.ts'

const WAIT_MS = 20_000

const receive = ({ store }: Pick<TestLog, 'store'>, number: number) =>
  store.append(messageStream(`m${number}`), NO_STREAM, [
    toAppend({ type: 'MessageReceived', data: incoming(`m${number}`, { number }) }),
  ])
/** An event that concerns no read model of messages. */
const disable = ({ store }: Pick<TestLog, 'store'>, n: number) =>
  store.append(`tenant-${n}`, NO_STREAM, [
    toAppend({ type: 'TenantDisabled', data: { at: '2025-01-15T10:30:00.000Z' } }),
  ])

/** The read models of one node: `keep` lets it keep the tables, until the function that it answers is called. */
const openNode = (log: TestLog, { hears = true } = {}) => {
  const { pool, store } = log.openProcess()
  const errors: unknown[] = []
  const changed: ReadModel[] = []
  const readModels = createReadModels({
    pool,
    store,
    onChanged: (name) => changed.push(name),
    onError: (error) => errors.push(error),
  })
  if (hears) log.run({ run: readModels.share })
  const keep = () => {
    const stopping = new AbortController()
    let stopped: Promise<unknown> | undefined
    log.run({
      run: (signal) => {
        const until = AbortSignal.any([signal, stopping.signal])
        setMaxListeners(0, until)
        return (stopped = readModels.run(until))
      },
    })
    return async () => {
      stopping.abort()
      await stopped
    }
  }
  const reached = (position: Position, ...names: ReadModel[]) =>
    readModels.reached(position, WAIT_MS, ...names)
  const has = (position: Position) =>
    eventually(() => {
      for (const one of readModels.status()) expect(one).toMatchObject({ state: 'running', position })
    })
  return { ...readModels, store, errors, changed, keep, reached, has }
}

/** The mark of one table on one node. */
const openMark = (log: TestLog, { keeps = false, version = 1 } = {}) => {
  const { pool } = log.openProcess()
  const mark = createMark({
    name: 'thing',
    onMoved: () => shared.onMoved(mark),
    onWanted: () => shared.onWanted(),
  })
  const onError = (error: unknown) => void log.errors.push(error)
  const shared = shareMarks({ pool, marks: [{ mark, version }], isKeeper: () => keeps, onError })
  log.run(shared)
  return mark
}

const cutter = async ({ url }: TestLog) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  onTestFinished(() => client.end())
  return async () => {
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and query like 'listen zapini_marks%'`,
    )
    return rowCount ?? 0
  }
}

describe('a node that does not keep the tables', () => {
  test('knows what the keeper knows, also of events that concern nothing, and forgets what has changed', async () => {
    const log = await testLog()
    const [keeper, other] = [openNode(log), openNode(log)]
    keeper.keep()
    expect(await other.reached(await receive(log, 1), ...other.names)).toBe(true)
    for (const n of [2, 3, 4]) {
      other.changed.length = 0
      const position = await receive(log, n)
      expect(await other.reached(position, 'messages')).toBe(true)
      expect(other.changed).toContain('messages')
      expect(other.changed).not.toContain('tokens')
    }
    const end = await disable(log, 1)
    expect(await other.reached(end, 'messages')).toBe(true)
    await other.has(end)
    expect(other.status()).toEqual(keeper.status())
    expect([...other.errors, ...keeper.errors]).toEqual([])
  })

  test('that comes when all is quiet knows where everything is, although no checkpoint says so', async () => {
    const log = await testLog()
    const keeper = openNode(log)
    keeper.keep()
    await keeper.reached(await receive(log, 1), ...keeper.names)
    const end = await disable(log, 1)
    await keeper.has(end)
    await openNode(log).has(end)
  })

  test('looks at the checkpoints where it hears nothing', async () => {
    const log = await testLog()
    const [keeper, other] = [openNode(log, { hears: false }), openNode(log)]
    keeper.keep()
    for (const n of [1, 2]) {
      other.changed.length = 0
      expect(await other.reached(await receive(log, n), 'messages', 'conversations')).toBe(true)
      expect(other.changed).toEqual(expect.arrayContaining(['messages', 'conversations']))
    }
    expect(other.status()[0]?.state, 'nobody has said that the tables are kept').toBe('starting')
  })

  test('forgets everything when it may have missed something, and hears again', async () => {
    const log = await testLog()
    const cut = await cutter(log)
    const [keeper, other] = [openNode(log), openNode(log)]
    keeper.keep()
    await other.reached(await receive(log, 1), 'messages')
    for (const n of [2, 3]) {
      other.changed.length = 0
      await eventually(async () => expect(await cut()).toBeGreaterThan(0))
      await eventually(() => expect(new Set(other.changed)).toEqual(new Set(other.names)))
      expect(await other.reached(await receive(log, n), 'messages')).toBe(true)
    }
    const end = await disable(log, 1)
    await other.has(end)
  })

  test('hears of a projection that has stopped, and keeps nobody waiting for it', async () => {
    const log = await testLog()
    const [keeper, other] = [openNode(log), openNode(log)]
    const bad = await receive(log, 1)
    await log.pool.query(`update event set type = 'MessageReacted', data = '{}' where position = $1`, [
      String(bad),
    ])
    keeper.keep()
    const messages = () => other.status().find(({ name }) => name === 'message')
    await eventually(() => expect(messages()).toMatchObject({ state: 'stopped' }))
    expect(messages()?.error).toContain('message cannot read MessageReacted')
    expect(await other.reached(bad, 'messages')).toBe(false)
    expect(await other.reached(bad, 'tokens')).toBe(true)
  })

  test('takes no notice of tables that another version of the program keeps', async () => {
    const log = await testLog()
    const keepers = openMark(log, { keeps: true })
    const [same, later] = [openMark(log), openMark(log, { version: 2 })]
    keepers.moveTo(5n, true)
    await eventually(() => expect(same.state()).toMatchObject({ state: 'running', position: 5n }))
    expect(later.state()).toMatchObject({ state: 'starting', position: START })
  })
})

test('a keeper does not rest while somebody waits on another node', async () => {
  const log = await testLog()
  const [keepers, others] = [openMark(log, { keeps: true }), openMark(log)]
  keepers.moveTo(1n, true)
  await eventually(() => expect(others.state()).toMatchObject({ state: 'running', position: 1n }))
  const waiting = others.reached(2n, WAIT_MS)
  await keepers.rest(3_600_000, new AbortController().signal)
  keepers.moveTo(2n, true)
  expect(await waiting).toBe(true)
  expect(log.errors).toEqual([])
})

test('one keeper follows another: who waits is told by the next, which goes on where the tables are', async () => {
  const log = await testLog()
  const [first, second, other] = [openNode(log), openNode(log), openNode(log)]
  const end = () => log.store.head()
  let waiting = Promise.resolve(true)
  for (const [round, node] of [first, second, first, second].entries()) {
    const stop = node.keep()
    expect(await waiting).toBe(true)
    for (let n = 0; n < 5; n++) await receive(log, round * 10 + n)
    expect(await other.reached(await end(), ...other.names)).toBe(true)
    await stop()
    waiting = other.reached(await receive(log, round * 10 + 5), 'messages')
  }
  first.keep()
  expect(await waiting).toBe(true)
  await other.has(await end())
  const { rows } = await log.pool.query('select count(*)::integer as count from message')
  expect(rows).toEqual([{ count: 24 }])
  for (const { errors } of [first, second, other]) expect(errors).toEqual([])
})

test('two keepers at once do no harm: the tables come out as they do from the log alone', async () => {
  const log = await testLog()
  const nodes = [openNode(log), openNode(log)] as const
  const stops = nodes.map((node) => node.keep())
  for (let n = 1; n <= 200; n++) await receive(nodes[n % 2 === 0 ? 0 : 1], n)
  await tellStory(log.store)
  const end = await log.store.head()
  for (const node of nodes) expect(await node.reached(end, ...node.names)).toBe(true)
  for (const stop of stops) await stop()
  const rows = await allRows(log.pool)
  const all: readonly AnyProjection[] = Object.values(projections)
  await rebuild(all, log)
  expect(await allRows(log.pool)).toEqual(rows)
  expect(rows['message']?.length).toBeGreaterThan(200)
  for (const { errors } of nodes) expect(errors).toEqual([])
})
