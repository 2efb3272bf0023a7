import { expect, test } from 'vitest'
import { followLog, readFollowed, type Deployment } from '../src/followed-log.ts'
import { createProgress } from '../src/reactions/progress.ts'
import { NO_STREAM } from '../src/ports/event-store.ts'
import { toAppend } from './support/facts.ts'
import { testLog } from './support/log.ts'
import { story, tellStory } from './support/story.ts'

/** A database with another log than the one beside it, as with EventStoreDB. */
const elsewhere = async () => {
  const [beside, away] = [await testLog(), await testLog()]
  const place: Deployment = { kind: 'eventstoredb', store: away.store, pool: beside.pool }
  return { ...place, away }
}
const append = async ({ store }: Pick<Deployment, 'store'>, stream: string) => {
  const [first] = story
  if (!first) throw new Error('There is no story')
  await store.append(stream, NO_STREAM, [toAppend(first[1])])
}
const moveCheckpoint = async ({ pool }: Pick<Deployment, 'pool'>, position: number) => {
  await pool.query("insert into checkpoint (name, version, position) values ('relay', 1, $1)", [position])
}

test('a new database remembers the kind of its log, and its first event once there is one', async () => {
  const place = await elsewhere()
  await followLog(place)
  expect(await readFollowed(place.pool)).toMatchObject({ kind: 'eventstoredb', event_id: null })
  await append(place, 'tenant-1')
  await followLog(place)
  const [first] = await place.store.readStream('tenant-1')
  expect(await readFollowed(place.pool)).toMatchObject({ stream: 'tenant-1', event_id: first?.id })
  await append(place, 'tenant-2')
  await followLog(place)
  expect(await readFollowed(place.pool)).toMatchObject({ stream: 'tenant-1' })
})

test('a database made before this was remembered belongs to the log beside it', async () => {
  const log = await testLog()
  await tellStory(log.store)
  await moveCheckpoint(log, 5)
  const other = await testLog()
  await expect(followLog({ kind: 'eventstoredb', store: other.store, pool: log.pool })).rejects.toThrow(
    /belongs to the log in PostgreSQL, but EVENTSTORE_URL is set.*zapini copy-log --from/,
  )
  await followLog({ kind: 'postgres', store: log.store, pool: log.pool })
  expect(await readFollowed(log.pool)).toMatchObject({ kind: 'postgres' })
})

test('the other kind of log is refused, whatever it holds', async () => {
  const place = await elsewhere()
  await append(place, 'tenant-1')
  await followLog(place)
  await expect(followLog({ ...place, kind: 'postgres' })).rejects.toThrow(
    /belongs to a log in EventStoreDB, but EVENTSTORE_URL is not set/,
  )
})

test('another log of the same kind is refused, also one with the same streams', async () => {
  const place = await elsewhere()
  await append(place, 'tenant-1')
  await followLog(place)
  for (const stream of ['tenant-1', 'tenant-2']) {
    const { store } = await testLog()
    await append({ store }, stream)
    await expect(followLog({ ...place, store })).rejects.toThrow(/belongs to another log/)
  }
})

test('a log that has been emptied is refused', async () => {
  const place = await elsewhere()
  await append(place, 'tenant-1')
  await followLog(place)
  const { store } = await testLog()
  await expect(followLog({ ...place, store })).rejects.toThrow(/The log is empty, but/)
})

test('so is an empty log where checkpoints have moved before it was remembered', async () => {
  const place = await elsewhere()
  await followLog(place)
  await moveCheckpoint(place, 3)
  await expect(followLog(place)).rejects.toThrow(/The log is empty, but/)
})

test('a log that ends before a checkpoint is refused, and says what to bring back', async () => {
  const place = await elsewhere()
  await append(place, 'tenant-1')
  await followLog(place)
  await moveCheckpoint(place, 2)
  await expect(followLog(place)).rejects.toThrow(/ends at 1, before 2.*backup/)
  await append(place, 'tenant-2')
  await followLog(place)
})

test('of two nodes that start at once with different logs, one is refused', async () => {
  const place = await elsewhere()
  const other = await testLog()
  await append(place, 'tenant-1')
  await append(other, 'tenant-1')
  const outcomes = await Promise.allSettled([followLog(place), followLog({ ...place, store: other.store })])
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
})

test('nodes that start at once with the same log all start', async () => {
  const place = await elsewhere()
  await append(place, 'tenant-1')
  await Promise.all(Array.from({ length: 8 }, () => followLog(place)))
})

const placesOf = async ({ pool }: Pick<Deployment, 'pool'>) =>
  (await pool.query<{ name: string; position: string }>('select name, position::text from checkpoint')).rows

test('a new database before a log that has events: reactions go on from its end, which is said once', async () => {
  const place = await elsewhere()
  for (const name of ['tenant-1', 'tenant-2', 'tenant-3']) await append(place, name)
  const adopted: bigint[] = []
  const onAdopted = (position: bigint) => void adopted.push(position)
  await Promise.all(Array.from({ length: 8 }, () => followLog(place, { onAdopted })))
  expect(adopted).toEqual([3n])
  expect(await placesOf(place)).toEqual([{ name: 'reactions', position: '3' }])
  const { load, moveTo, flush } = createProgress(place.pool, 'relay', () => {})
  expect(await load()).toBe(3n)
  await append(place, 'tenant-4')
  moveTo(4n)
  await flush()
  expect(await createProgress(place.pool, 'relay', () => {}).load()).toBe(4n)
  expect(await createProgress(place.pool, 'automations', () => {}).load()).toBe(3n)
})

test('the log that a database has seen empty is told from its first event on', async () => {
  const place = await elsewhere()
  await followLog(place)
  await append(place, 'tenant-1')
  await followLog(place)
  expect(await placesOf(place)).toEqual([])
})

test('so is one that another node has begun while this one looked at it', async () => {
  const place = await elsewhere()
  const { store } = place
  const head = async () => {
    // The other node starts, and writes, after this one has found a database that knows nothing.
    await followLog(place)
    if ((await store.head()) === 0n) await append(place, 'tenant-1')
    return store.head()
  }
  await followLog({ ...place, store: { ...store, head } })
  expect(await placesOf(place)).toEqual([])
})

test('a node that writes nothing of its own leaves an empty log unrecorded: a full one may be put in its place', async () => {
  const place = await elsewhere()
  await followLog(place, { mayBegin: false })
  expect(await readFollowed(place.pool)).toMatchObject({ kind: null })
  await append(place, 'tenant-1')
  await followLog(place)
  expect(await placesOf(place)).toEqual([{ name: 'reactions', position: '1' }])
})
