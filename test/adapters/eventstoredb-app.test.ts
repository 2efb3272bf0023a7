import { expect, onTestFinished, test, vi } from 'vitest'
import { readModelsNamed } from '../../src/cli/read-models-named.ts'
import { replay } from '../../src/cli/replay.ts'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { followLog } from '../../src/followed-log.ts'
import { createReadModels } from '../../src/projections/read-models.ts'
import { START } from '../../src/ports/event-store.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Client } from '../support/client.ts'
import { createTestDatabase, testPool } from '../support/database.ts'
import { sharedEventStoreDb, testEventStore } from '../support/eventstoredb.ts'
import { listen } from '../support/event-stream.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { startReceiver } from '../support/receiver.ts'
import { allRows, allRowsOfAnyLog } from '../support/rows.ts'
import { tellStory } from '../support/story.ts'
import { eventually } from '../support/eventually.ts'

const shared = sharedEventStoreDb()

/** All rows that the read models make of a log. */
const project = async ({ pool, store, run }: Pick<TestLog, 'pool' | 'store' | 'run'>) => {
  const errors: unknown[] = []
  const readModels = createReadModels({
    pool,
    store,
    onError: (error) => errors.push(error),
    onChanged: () => {},
  })
  await readModels.prepare()
  run(readModels)
  expect(await readModels.reached(await store.head(), 20_000, ...readModels.names)).toBe(true)
  expect(errors).toEqual([])
  return allRowsOfAnyLog(pool)
}

test('a log in EventStoreDB makes the same read models as one in PostgreSQL', async () => {
  const log = await testLog()
  const end = await tellStory(log.store)
  const store = testEventStore(shared.url())
  const stopping = new AbortController()
  for await (const batch of log.store.subscribeToAll(START, stopping.signal)) {
    for (const { stream, revision, id, type, data, meta } of batch)
      await store.append(stream, revision - 1, [{ id, type, data, meta }])
    if (batch.at(-1)?.position === end) break
  }
  const rows = await project(log)
  expect(await project({ ...log, pool: await testPool(), store })).toEqual(rows)
})

test('the application on it: in, out, webhook, stream of events, rebuild', async () => {
  const store = testEventStore(shared.url())
  const app = await startApp({}, { store })
  onTestFinished(app.stop)
  const receiver = await startReceiver()
  onTestFinished(receiver.close)
  const instance = await createConnectedInstance(app.admin)
  await app.admin.put(`/instances/${instance}/webhook`, {
    webhook_url: receiver.url,
    webhook_secret: 'your_secret_key_here',
    events: ['message.received', 'message.sent'],
  })
  const stream = await listen(app.admin, { query: '?events=message.received' })

  const hook = `/webhooks/instance/${instance}/incoming`
  expect((await app.admin.post(hook, incomingPayload('FIRST'))).status).toBe(200)
  // The same again is no event.
  expect((await app.admin.post(hook, incomingPayload('FIRST'))).status).toBe(200)
  const message = { instance_id: instance, recipient: '5511999999999', message: 'hello' }
  expect((await app.admin.post('/send-message', message)).status).toBe(200)

  await eventually(() =>
    expect(receiver.received.map(({ event }) => event)).toEqual(['message.received', 'message.sent']),
  )
  await eventually(() => expect(stream.events).toHaveLength(1))
  const resumed = await listen(app.admin, { lastEventId: stream.lastEventId })
  await app.admin.post(hook, incomingPayload('SECOND'))
  await eventually(() =>
    expect(resumed.events.find(({ data }) => data.data.whatsapp_message_id === 'SECOND')).toBeDefined(),
  )
  const { body } = await app.admin.get('/conversations')
  expect(body.data).toHaveLength(1)
  const last = new Date().toISOString()
  await vi.waitFor(() => expect(new Date().toISOString() > last).toBe(true), { interval: 1 })
  await app.admin.post(hook, incomingPayload('THIRD'))
  const messagesAt = async (at: string) => {
    const then = await app.admin.get(`/conversations/${body.data[0].number}/messages?as_of=${at}`)
    return then.body.data.messages.length
  }
  expect(await messagesAt(last)).toBe(3)
  expect(await messagesAt(new Date().toISOString())).toBe(4)

  expect(await app.readModels.reached(await store.head(), 10_000, ...app.readModels.names)).toBe(true)
  const rows = await allRows(app.pool)
  const nowhere = { write: () => {} }
  await replay(app.pool, store, readModelsNamed([]), { out: nowhere, progress: nowhere })
  expect(await allRows(app.pool)).toEqual(rows)
  expect(app.faults).toEqual([])
  expect(store.errors).toEqual([])
})

test('where the database is lost, nobody is told again what the log holds; what comes then is told', async () => {
  const store = testEventStore(shared.url())
  const receiver = await startReceiver()
  onTestFinished(receiver.close)
  const told = () => receiver.received.map(({ data }) => data['whatsapp_message_id'])
  const receive = (client: Client, instance: string, id: string) =>
    client.post(`/webhooks/instance/${instance}/incoming`, incomingPayload(id))

  const lost = await startApp({}, { store })
  const instance = await createConnectedInstance(lost.admin)
  const webhook = { webhook_url: receiver.url, events: ['message.received'] }
  await lost.admin.put(`/instances/${instance}/webhook`, webhook)
  for (const id of ['A', 'B', 'C']) await receive(lost.admin, instance, id)
  await eventually(() => expect(told()).toEqual(['A', 'B', 'C']))
  await lost.stop()

  const empty = await createTestDatabase()
  const pool = createPool(empty.url, { max: 1, onError: () => {} })
  await followLog({ kind: 'eventstoredb', store, pool })
  await pool.end()
  const app = await startApp({}, { store }, empty)
  onTestFinished(app.stop)
  expect((await receive(app.admin, instance, 'D')).status).toBe(200)
  await eventually(() => expect(told()).toContain('D'))
  expect(told()).toEqual(['A', 'B', 'C', 'D'])
  const { body } = await app.admin.get('/conversations')
  expect(body.data[0].unread_count).toBe(4)
})
