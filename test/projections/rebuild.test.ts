import { expect, onTestFinished, test } from 'vitest'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { projections } from '../../src/projections/index.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { createReadModels } from '../../src/projections/read-models.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import { createStartConversation } from '../../src/write/conversations.ts'
import { receiveWithoutFiles } from '../support/receiving.ts'
import { context, INSTANCE, later } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { allRows, rowsOf } from '../support/rows.ts'
import { tellStory } from '../support/story.ts'
import { eventually } from '../support/subscriber.ts'

const all: readonly AnyProjection[] = Object.values(projections)

/** All read models of a log, kept up to date until the end of the test. */
const project = async ({ pool, store, run }: TestLog) => {
  const errors: unknown[] = []
  const readModels = createReadModels({
    pool,
    store,
    onChanged: () => {},
    onError: (error) => errors.push(error),
  })
  await readModels.prepare()
  run(readModels)
  const caughtUp = async () =>
    expect(await readModels.reached(await store.head(), 20_000, ...readModels.names)).toBe(true)
  return { errors, caughtUp }
}

/** Messages come in from several chats, are reacted to, and come again, until `stop`; which answers how many. */
const startTraffic = ({ pool, store, transact, load, recall }: TestLog) => {
  const numbers = postgresNumbers(pool)
  const startConversation = createStartConversation({
    transact,
    load,
    recall,
    numbers,
    hasAutomation: () => Promise.resolve(false),
  })
  const receive = receiveWithoutFiles({ transact, load, numbers, startConversation })
  let isOpen = true
  const write = async (writer: number) => {
    const sender = `551190000000${writer}@s.whatsapp.net`
    let n = 0
    for (; isOpen; n++) {
      const whatsappId = `${writer}-${n}`
      const told = { whatsappId, chat: sender, sender, at: later(n) }
      const content = { kind: 'text', text: whatsappId } as const
      const fromMe = n % 5 === 0
      await receive.message(INSTANCE, { ...told, content, fromMe }, context)
      await receive.message(INSTANCE, { ...told, content, fromMe }, context)
      await receive.receipt(INSTANCE, { ...told, status: 'read' }, context)
      await receive.reaction(
        INSTANCE,
        { ...told, targetWhatsappId: whatsappId, fromMe, emoji: '👍' },
        context,
      )
    }
    return n
  }
  const writing = Promise.all([1, 2, 3].map(write))
  const stop = async () => {
    isOpen = false
    return (await writing).reduce((sum, n) => sum + n)
  }
  onTestFinished(async () => void (await stop()))
  /** Resolves once that many events more are in the log. */
  const written = async (count: number) => {
    const target = (await store.head()) + BigInt(count)
    await eventually(async () => expect(await store.head()).toBeGreaterThanOrEqual(target))
  }
  return { written, stop }
}

/** Counts the rows of a table over and over; fails if it cannot be read, or rows are missing for a moment. */
const startReader = ({ pool }: TestLog, table: string) => {
  let isOpen = true
  const reading = (async () => {
    let [before, reads] = [0, 0]
    for (; isOpen; reads++) {
      const { rows } = await pool.query<{ count: number }>(`select count(*) from ${table}`)
      expect(rows[0]?.count).toBeGreaterThanOrEqual(before)
      before = rows[0]?.count ?? 0
    }
    return reads
  })()
  const stop = () => {
    isOpen = false
    return reading
  }
  onTestFinished(async () => void (await stop()))
  return stop
}

test('a read model made anew equals the one it replaces, ids and numbers included', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const { caughtUp, errors } = await project(log)
  await caughtUp()
  const before = await allRows(log.pool)
  const eventsRead = [await rebuild([projections.messages], log), await rebuild(all, log)]
  expect(await allRows(log.pool)).toEqual(before)
  expect(new Set(eventsRead)).toEqual(new Set([Number(await log.store.head())]))
  expect(errors).toEqual([])
})

test('rebuilt beside live traffic, read models end as the log says and are served all the while', async () => {
  const log = await testLog()
  const { caughtUp, errors } = await project(log)
  const traffic = startTraffic(log)
  await traffic.written(200)
  await caughtUp()
  const readers = ['message', 'conversation'].map((table) => startReader(log, table))
  for (const one of all) {
    await traffic.written(20)
    await rebuild([one], log)
  }
  await rebuild([projections.messages], log)
  await traffic.written(100)
  const received = await traffic.stop()
  for (const stop of readers) expect(await stop()).toBeGreaterThan(0)
  await caughtUp()

  const live = await allRows(log.pool)
  expect(live['message']).toHaveLength(received)
  await rebuild(all, log)
  expect(await allRows(log.pool)).toEqual(live)
  expect(errors).toEqual([])
})

test('rebuilding tells how far it is, and leaves nothing behind', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const { caughtUp } = await project(log)
  await caughtUp()
  const told: [bigint, bigint][] = []
  const head = await log.store.head()
  await rebuild([projections.messages], { ...log, onProgress: (position, end) => told.push([position, end]) })
  expect(told.at(-1)).toEqual([head, head])
  const { rows } = await log.pool.query<{ name: string }>(`
    select name from checkpoint where name like '%rebuild%'
    union all select tablename from pg_tables where schemaname = 'rebuild'`)
  expect(rows).toEqual([])
})

test('a read model that was never made can be built', async () => {
  const log = await testLog()
  await tellStory(log.store)
  await rebuild([projections.messages], log)
  const built = await rowsOf(log.pool, 'message')
  const { caughtUp } = await project(log)
  await caughtUp()
  expect(await rowsOf(log.pool, 'message')).toEqual(built)
  expect(built.length).toBeGreaterThan(5)
})
