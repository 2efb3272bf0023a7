import type { Pool } from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { loadLargeLog } from '../../bench/large-log.ts'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { projections } from '../../src/projections/index.ts'
import { createMark } from '../../src/projections/mark.ts'
import type { MessageRow } from '../../src/projections/messages.ts'
import { createProjectionRunner } from '../../src/projections/runner.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { createReadModels } from '../../src/projections/read-models.ts'
import { rebuild, type RebuildStage } from '../../src/projections/rebuild.ts'
import { openBeside } from '../../src/projections/beside.ts'
import { scrubBeside } from '../../src/projections/beside-tables.ts'
import { createConversations } from '../../src/write/conversations.ts'
import { receiveWithoutFiles } from '../support/receiving.ts'
import { context, INSTANCE, JOHN, later, messageStream, placeIn, TENANT, toAppend } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { allRows, rowsOf } from '../support/rows.ts'
import { tellStory } from '../support/story.ts'
import { eventually } from '../support/eventually.ts'

vi.setConfig({ testTimeout: 120_000 })

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
    expect(await readModels.reached(await store.head(), 45_000, ...readModels.names)).toBe(true)
  return { errors, caughtUp }
}

/** Messages come in from several chats, are reacted to, and come again, until `stop`; which answers how many. */
const startTraffic = ({ pool, store, transact, load, recall }: TestLog) => {
  const numbers = postgresNumbers(pool)
  const { startConversation } = createConversations({
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

const leftBehind = async (pool: Pool) => {
  const { rows } = await pool.query<{ name: string }>(`
    select nspname as name from pg_namespace where nspname = 'rebuild'
    union all select name from checkpoint where name like '%rebuild%'`)
  return rows
}

test('read models made anew equal those they replace, ids and numbers included, and leave nothing behind', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const { caughtUp, errors } = await project(log)
  await caughtUp()
  const before = await allRows(log.pool)
  const told: [bigint, bigint, number][] = []
  const onProgress = (...progress: [bigint, bigint, number]) => told.push(progress)
  const eventsRead = [await rebuild([projections.messages], log), await rebuild(all, { ...log, onProgress })]
  expect(await allRows(log.pool)).toEqual(before)
  const head = await log.store.head()
  expect(eventsRead).toEqual([Number(head), Number(head)])
  expect(told.at(-1)).toEqual([head, head, Number(head)])
  expect(await leftBehind(log.pool)).toEqual([])
  expect(errors).toEqual([])
})

/** What the catalogue of the database knows of the live tables. */
const definitions = async (pool: Pool) => {
  const ofTables = 'c.relnamespace = $1::regnamespace and c.relname = any($2)'
  const { rows } = await pool.query(
    `select indexdef as definition from pg_indexes where schemaname = $1 and tablename = any($2)
     union all
     select format('%s %s', conname, pg_get_constraintdef(o.oid)) from pg_constraint o join pg_class c on c.oid = conrelid
     where ${ofTables}
     union all
     select format('%s.%s %s %s %s %s %s %s', relname, attname, attnum, format_type(atttypid, atttypmod), attnotnull,
                   attstorage, attcollation::regcollation, pg_get_expr(adbin, adrelid))
     from pg_attribute a join pg_class c on c.oid = attrelid left join pg_attrdef d on (adrelid, adnum) = (attrelid, attnum)
     where ${ofTables} and attnum > 0
     union all
     select format('%s %s %s %s', relname, reloptions, relpersistence, relowner::regrole) from pg_class c where ${ofTables}
     order by 1`,
    ['public', all.map(({ name }) => name)],
  )
  return rows
}

test('and are made like them: columns, constraints, indexes, storage; rights of others on them go along', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const { caughtUp } = await project(log)
  await caughtUp()
  await log.pool.query('grant select on message to public; grant update, delete on message to pg_monitor')
  const rights = async () => {
    const text = `select a.* from pg_class, aclexplode(relacl) a where oid = 'message'::regclass and grantee <> relowner`
    return (await log.pool.query(text)).rows
  }
  const before = { definitions: await definitions(log.pool), rights: await rights() }
  expect(before.rights).toHaveLength(3)
  await rebuild(all, log)
  expect({ definitions: await definitions(log.pool), rights: await rights() }).toEqual(before)
})

test('what somebody has built on a table is named, and lost nothing; without it, the run goes on', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const { caughtUp } = await project(log)
  await caughtUp()
  await log.pool.query('create view mine as select id from message')
  await expect(rebuild(all, log)).rejects.toThrow(
    /depends on it: view mine depends on table message\. Drop that/,
  )
  expect((await log.pool.query('select from mine')).rowCount).toBeGreaterThan(0)
  await log.pool.query('drop view mine')
  expect(await rebuild(all, log)).toBe(0)
})

test('rebuilt beside live traffic, again and again, they end as the log says and are served all the while', async () => {
  const log = await testLog()
  const { caughtUp, errors } = await project(log)
  const traffic = startTraffic(log)
  await traffic.written(200)
  await caughtUp()
  const readers = ['message', 'conversation'].map((table) => startReader(log, table))
  for (let round = 0; round < 4; round++) {
    await traffic.written(20)
    await rebuild(round % 2 === 0 ? all : [projections.messages, projections.conversations], log)
  }
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

test('a log of many batches, with sweeps among them, comes out as it does live, whatever is kept in memory', async () => {
  const log = await testLog()
  await loadLargeLog(log.store, 12_000, Date.parse('2026-01-01T00:00:00Z'), () => {})
  const { caughtUp, errors } = await project(log)
  await caughtUp()
  const live = await allRows(log.pool)
  expect(live['message']?.length).toBeGreaterThan(3000)
  await rebuild(all, log)
  expect(await allRows(log.pool)).toEqual(live)
  const beside = await openBeside({
    ...{ pool: log.pool, store: log.store, projections: all, schema: 'small', indexes: 'none' },
    bytesKept: 1,
  })
  await beside.readOn(await log.store.head())
  for (const { name } of all) expect(await rowsOf(log.pool, name, 'small')).toEqual(live[name])
  await beside.drop()
  expect(errors).toEqual([])
})

test('what a live table had wrong is right afterwards, and stays right: what was remembered of it is forgotten', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const { MessageReceived } = projections.messages.on
  const wrong: typeof projections.messages = {
    ...projections.messages,
    on: {
      ...projections.messages.on,
      MessageReceived: (event) =>
        (MessageReceived?.(event) ?? []).map((change) => ({
          ...change,
          evolve: (row) => ({ ...change.evolve(row), body: 'wrong' }) as MessageRow,
        })),
    },
  }
  const mark = createMark({ name: 'message' })
  log.run(createProjectionRunner({ ...log, projection: wrong, mark, onError: () => {} }))
  const body = async () => {
    const text = `select body from message where whatsapp_id = 'hi'`
    return (await log.pool.query<{ body: string }>(text)).rows[0]?.body
  }
  const told = await log.store.head()
  expect(await mark.reached(told, 20_000)).toBe(true)
  expect(await body()).toBe('wrong')
  await rebuild([projections.messages], log)
  expect(await body()).toBe('hi')
  const stream = messageStream('hi')
  const { length } = await log.store.readStream(stream)
  const next = await log.store.append(stream, length - 1, [
    toAppend({ type: 'MessageRead', data: { ...placeIn(JOHN), at: later(50) } }),
  ])
  expect(await mark.reached(next, 20_000)).toBe(true)
  expect(await body()).toBe('hi')
})

test('a run that ends in the middle is gone on with, unless a table is made otherwise by now', async () => {
  const log = await testLog()
  await loadLargeLog(log.store, 12_000, Date.parse('2026-01-01T00:00:00Z'), () => {})
  const { caughtUp } = await project(log)
  await caughtUp()
  const live = await allRows(log.pool)
  const endAfter = (batches: number) => () => {
    if (--batches === 0) throw new Error('ended')
  }
  await expect(rebuild(all, { ...log, onProgress: endAfter(1) })).rejects.toThrow('ended')
  const read = await rebuild(all, log)
  expect(read).toBeLessThanOrEqual(7000)
  expect(read).toBeGreaterThan(0)
  expect(await allRows(log.pool)).toEqual(live)

  await expect(rebuild(all, { ...log, onProgress: endAfter(1) })).rejects.toThrow('ended')
  const changed = { ...projections.messages, indexes: ['(conversation_id)'] }
  expect(await rebuild([changed], log)).toBe(12_000)
  expect(await leftBehind(log.pool)).toEqual([])
})

test('what a run left that was ended goes when anything is erased, but not from under one that is at work', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const options = { ...log, projections: all, schema: 'rebuild', indexes: 'after' } as const
  const erased = [{ owners: [], position: await log.store.head(), at: later(0) }]
  const atWork = await openBeside(options)
  await scrubBeside(log.pool)(erased)
  expect(await leftBehind(log.pool)).toEqual([{ name: 'rebuild' }])
  await atWork.close()
  await scrubBeside(log.pool)(erased)
  expect(await leftBehind(log.pool)).toEqual([])
})

test('two at once do not mix: the second is told of the first', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const options = { ...log, projections: all, schema: 'rebuild', indexes: 'after' } as const
  const first = await openBeside(options)
  await first.readOn(await log.store.head())
  await expect(rebuild(all, log)).rejects.toThrow('Somebody else is at work in the schema rebuild')
  await first.close()
  expect(await rebuild(all, log), 'what the first had done is taken over').toBe(0)
})

test('somebody who reads a live table for long holds up the swap, and nobody else', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const { caughtUp, errors } = await project(log)
  await caughtUp()
  const live = await allRows(log.pool)
  const revision = (await log.store.readStream(`tenant-${TENANT}`)).length - 1
  const slow = await log.pool.connect()
  await slow.query('begin')
  await slow.query('select count(*) from message')
  const reader = startReader(log, 'message')
  const stages: RebuildStage[] = []
  const rebuilt = rebuild(all, { ...log, onStage: (stage) => stages.push(stage) })
  await eventually(() => expect(stages.filter((stage) => stage === 'waiting').length).toBeGreaterThan(1))
  await log.store.append(`tenant-${TENANT}`, revision, [
    toAppend({ type: 'TenantEnabled', data: { at: later(60) } }),
  ])
  await caughtUp()
  await slow.query('commit')
  slow.release()
  await rebuilt
  expect(await reader()).toBeGreaterThan(0)
  expect({ ...(await allRows(log.pool)), tenant: [], audit_event: [] }).toEqual({
    ...live,
    tenant: [],
    audit_event: [],
  })
  expect(errors).toEqual([])
})

test('tables of another version, made anew before the start of this one, are not made again by it', async () => {
  const log = await testLog()
  await tellStory(log.store)
  await rebuild(all, log)
  const rows = await allRows(log.pool)
  await log.pool.query('update checkpoint set version = version - 1')
  await rebuild(all, log)
  const tables = async () =>
    Promise.all(all.map(async ({ name }) => (await log.pool.query(`select '${name}'::regclass::oid`)).rows))
  const made = await tables()
  const { caughtUp, errors } = await project(log)
  await caughtUp()
  expect(await tables()).toEqual(made)
  expect(await allRows(log.pool)).toEqual(rows)
  expect(errors).toEqual([])
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
