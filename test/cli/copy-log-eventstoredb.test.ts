import { expect, onTestFinished, test } from 'vitest'
import { eventStoreDb } from '../../src/adapters/eventstoredb/event-store.ts'
import { followLog, type Deployment } from '../../src/followed-log.ts'
import type { EventStore } from '../../src/ports/event-store.ts'
import { projections } from '../../src/projections/index.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import { copy, placeOf, tellAgain, told } from '../support/copying.ts'
import { newPrefix, sharedEventStoreDb, testEventStoreDb } from '../support/eventstoredb.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { story, tellStory } from '../support/story.ts'

const server = sharedEventStoreDb()
const all: readonly AnyProjection[] = Object.values(projections)

/** As `copy-log` opens it; a log of its own for one test. */
const openStore = (url: string, prefix = newPrefix()) => {
  const store = eventStoreDb({ url, prefix, once: true, onError: () => {} })
  onTestFinished(store.close)
  return store
}
const beside = (store: EventStore, { pool }: TestLog): Deployment => ({ kind: 'eventstoredb', store, pool })

/** Every row of every read model as PostgreSQL writes it, in the order of their keys; without places in the log. */
const tables = async ({ pool, store }: Pick<Deployment, 'pool' | 'store'>) => {
  const written: Record<string, unknown[]> = {}
  await rebuild(all, { pool, store })
  for (const one of all) {
    const columns = Object.keys(one.columns).filter((column) => column !== 'position')
    const text = `select row(${columns.join()})::text as row from public.${one.name} t order by t.${one.key}`
    written[one.name] = (await pool.query<{ row: string }>(text)).rows
  }
  return written
}

test('the same events give the same read models, byte for byte, from either store', async () => {
  const [source, target] = [await testLog(), await testLog()]
  await tellStory(source.store)
  const store = openStore(server.url())
  await copy(placeOf(source), beside(store, target))
  const [ofPostgres, ofEventStoreDb] = [await tables(source), await tables(beside(store, target))]
  expect(ofEventStoreDb).toEqual(ofPostgres)
  const rows = Object.values(ofPostgres).map(({ length }) => length)
  expect(Math.min(...rows), 'the story fills every table').toBeGreaterThan(0)
})

test('a log goes to EventStoreDB and back, and is the same', async () => {
  const [source, target, back] = [await testLog(), await testLog(), await testLog()]
  await tellStory(source.store)
  await tellAgain(source.store, 3)
  const away = beside(openStore(server.url()), target)
  await copy(placeOf(source), away)
  expect(await told(away.store)).toEqual(await told(source.store))
  await copy(away, placeOf(back))
  expect(await told(back.store)).toEqual(await told(source.store))
})

test('with one database, only the log moves: reactions stand at the same event, and read models begin anew', async () => {
  const log = await testLog()
  await tellStory(log.store)
  await tables(log)
  await log.pool.query("insert into checkpoint (name, version, position) values ('relay', 1, 20)")
  await log.pool.query(`
    insert into webhook_delivery (event_id, endpoint_id, tenant_id, instance_id, key, event, body, correlation, causation, position)
    select id, id, id, id, id, 'message.sent', '{}', 'c', 'c', 20 from gen_random_uuid() id;
    create schema rebuild; create table rebuild.message as table message;
    insert into webhook_erased select key, 30 from webhook_delivery;
    insert into webhook_redelivery (id, endpoint_id, since, position, up_to) select key, key, now(), 5, 40 from webhook_delivery`)
  const store = openStore(server.url())
  const there = beside(store, log)
  await expect(followLog(there)).rejects.toThrow(/EVENTSTORE_URL is set/)
  const { rows } = await copy(placeOf(log), there)
  expect(rows).toBeUndefined()

  const checkpoints = async () =>
    (await log.pool.query<{ name: string; position: string }>('select name, position::text from checkpoint'))
      .rows
  const events = await eventPositions(store)
  expect(await checkpoints()).toEqual([{ name: 'relay', position: String(events[19]) }])
  const places = `select position from webhook_delivery union all select position from webhook_erased
    union all select position from webhook_redelivery`
  expect((await log.pool.query(places)).rows, 'places in the old log are forgotten').toEqual([
    { position: null },
  ])
  const left = await log.pool.query(`select from pg_namespace where nspname = 'rebuild'`)
  expect(left.rowCount, 'a replay of the old log is not gone on with').toBe(0)
  await followLog(there)
  await expect(followLog(placeOf(log))).rejects.toThrow(/EVENTSTORE_URL is not set/)

  // And back, with what has happened since.
  await tellAgain(store, 1)
  await copy(there, placeOf(log))
  expect(await checkpoints()).toEqual([{ name: 'relay', position: '20' }])
  expect(await told(log.store)).toEqual(await told(store))
  await followLog(placeOf(log))
})

test('a server that goes away in the middle leaves a copy that can be finished, in the same order', async () => {
  const own = await testEventStoreDb()
  const [source, target] = [await testLog(), await testLog()]
  await tellStory(source.store)
  await tellAgain(source.store, 10)
  const store = openStore(own.url)
  let appends = 0
  const broken: EventStore = {
    ...store,
    append: async (...args) => {
      const answer = store.append(...args)
      answer.catch(() => {})
      if (++appends % 200 === 0) {
        await own.kill()
        await own.restart()
      }
      return answer
    },
  }
  let failures = 0
  const copyUntilDone = async (): Promise<void> => {
    try {
      await copy(placeOf(source), beside(broken, target))
    } catch (error) {
      expect(String(error)).toMatch(/EventStoreDB.*The same command goes on where it stopped/)
      failures++
      await copyUntilDone()
    }
  }
  await copyUntilDone()
  expect(failures).toBeGreaterThan(1)
  expect(await told(store)).toEqual(await told(source.store))
  expect(await told(store)).toHaveLength(story.length * 11)
})

const eventPositions = async (store: EventStore): Promise<bigint[]> => {
  const head = await store.head()
  const positions: bigint[] = []
  const done = new AbortController()
  for await (const batch of store.subscribeToAll(0n, done.signal)) {
    positions.push(...batch.map(({ position }) => position))
    if (positions.at(-1) === head) break
  }
  return positions
}
