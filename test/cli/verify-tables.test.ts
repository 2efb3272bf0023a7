import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { asText } from '../../src/cli/verify/report.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import { projections } from '../../src/projections/index.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload } from '../support/client.ts'
import { range } from '../support/range.ts'
import { lookAtLog, lookAtTables, testVisit } from '../support/verifying.ts'

vi.setConfig({ testTimeout: 60_000 })

let app: Awaited<ReturnType<typeof startApp>>
let instance: string
beforeAll(async () => {
  app = await startApp()
  instance = await createConnectedInstance(app.admin)
  await app.admin.post('/tags', { name: 'VIP', color: '#ff0000' })
  for (const n of range(20)) await receive(`A${n}`, `55119999999${n % 4}0`)
  await app.admin.get('/conversations')
})
afterAll(() => app.stop())

const receive = (id: string, from: string) =>
  app.admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload(id, from))

type Reports = Awaited<ReturnType<typeof lookAtTables>>
const foundIn = (reports: Reports) =>
  Object.fromEntries(
    reports
      .filter(({ differences }) => differences.count > 0)
      .map(({ table, differences }) => [table, differences.list]),
  )
const scratchTables = async () =>
  (await app.pool.query(`select from pg_namespace where nspname = 'scratch'`)).rowCount

test('tables that are as the log makes them have no difference, and nothing is left behind', async () => {
  const reports = await lookAtTables(app.database.url)
  expect(foundIn(reports)).toEqual({})
  expect(reports.map(({ table }) => table)).toEqual(Object.values(projections).map(({ name }) => name))
  const rows = Object.fromEntries(reports.map(({ table, rows }) => [table, rows]))
  expect(rows).toMatchObject({ message: 20, conversation: 4, instance: 1, tag: 1, account: 1 })
  expect(await scratchTables()).toBe(0)
})

test('a row that was changed, taken away or added is named, with what it should be; texts are shown on request', async () => {
  const { rows } = await app.pool.query<{ id: string; number: number; status: string }>(
    'select id, number, status from message order by number limit 3',
  )
  const [changed, gone] = rows
  if (!changed || !gone) throw new Error('There are too few messages')
  await app.pool.query(`create table message_kept as table message; create table tag_kept as table tag;
    update message set number = 4711, status = 'failed!' where id = '${changed.id}';
    delete from message where id = '${gone.id}';
    insert into tag select (t).* from (select jsonb_populate_record(tag, '{"id": "550e8400-e29b-41d4-a716-446655440999"}') as t from tag) x`)
  const [hidden, shown] = [
    foundIn(await lookAtTables(app.database.url)),
    foundIn(await lookAtTables(app.database.url, { showValues: true })),
  ]
  await app.pool
    .query(`delete from message; insert into message table message_kept; delete from tag; insert into tag table tag_kept;
    drop table message_kept, tag_kept`)

  expect(Object.keys(hidden).toSorted()).toEqual(['message', 'tag'])
  expect(hidden['tag']).toEqual([{ kind: 'row too many', key: '550e8400-e29b-41d4-a716-446655440999' }])
  expect(hidden['message']).toHaveLength(2)
  expect(hidden['message']).toContainEqual({ kind: 'row missing', key: gone.id })
  const columns = (status: { live: string; replayed: string }) => ({
    kind: 'row changed',
    key: changed.id,
    columns: expect.toSatisfy((list: { column: string }[]) => {
      expect(list).toHaveLength(2)
      expect(list).toContainEqual({ column: 'number', live: '4711', replayed: String(changed.number) })
      expect(list).toContainEqual({ column: 'status', ...status })
      return true
    }),
  })
  expect(hidden['message']).toContainEqual(
    columns({ live: '(7 characters)', replayed: `(${changed.status.length} characters)` }),
  )
  expect(shown['message']).toContainEqual(columns({ live: 'failed!', replayed: changed.status }))
  expect(foundIn(await lookAtTables(app.database.url)), 'and is well again').toEqual({})
})

test('a table of another version, and one that knows more than there is, are told', async () => {
  await app.pool.query(`update checkpoint set version = version + 1 where name = 'tag'`)
  await app.pool.query(`update checkpoint set position = position + 1000 where name = 'token'`)
  const found = foundIn(await lookAtTables(app.database.url))
  await app.pool.query(`update checkpoint set version = version - 1 where name = 'tag'`)
  await app.pool.query(`update checkpoint set position = position - 1000 where name = 'token'`)
  expect(found).toEqual({
    tag: [{ kind: 'table', what: expect.stringMatching(/was made by version \d+ of its read model/) }],
    token: [{ kind: 'table', what: expect.stringMatching(/knows the log up to position \d+/) }],
  })
})

test('while messages come, conversations are deleted and a read model is made anew, there is no false alarm', async () => {
  let isOpen = true
  const write = async (writer: number) => {
    let n = 0
    for (; isOpen; n++) {
      const from = `551188888${writer}${n % 7}0`
      await receive(`${writer}-${n}`, from)
      if (n % 10 !== 9) continue
      const { body } = await app.admin.get('/conversations')
      const conversation = body.data.find((one: { contact_number: string }) =>
        one.contact_number.startsWith(`551188888${writer}`),
      )
      if (conversation) expect((await app.admin.delete(`/conversations/${conversation.id}`)).status).toBe(200)
    }
    return n
  }
  const writers = range(2).map(write)
  const visitor = testVisit(app.database.url)
  const positions: bigint[] = []
  try {
    for (const _n of range(2)) {
      const [tables, rows] = await Promise.all([
        lookAtTables(app.database.url),
        rebuild([projections.messages, projections.conversations], visitor),
      ])
      expect(rows).toBeGreaterThan(0)
      const log = await lookAtLog(app.database.url)
      expect(foundIn(tables)).toEqual({})
      expect(log.differences.list).toEqual([])
      positions.push(log.position)
    }
  } finally {
    isOpen = false
  }
  expect(Math.min(...(await Promise.all(writers)))).toBeGreaterThan(10)
  expect(positions, 'the log has grown meanwhile').toEqual(positions.toSorted((a, b) => Number(a - b)))
  expect(new Set(positions).size).toBe(2)
  expect(app.faults).toEqual([])
})

test('a column that is gone is told', async () => {
  await app.pool.query('alter table tag drop column color')
  const found = foundIn(await lookAtTables(app.database.url))
  await rebuild([projections.tags], testVisit(app.database.url))
  expect(found['tag']).toMatchObject([{ kind: 'row changed', columns: [{ column: 'color', live: null }] }])
})

test('one that is interrupted leaves nothing behind', async () => {
  const interrupted = new AbortController()
  const onProgress = () => interrupted.abort(new Error('Interrupted.'))
  const looked = lookAtTables(app.database.url, { interrupted: interrupted.signal, onProgress })
  await expect(looked).rejects.toThrow('Interrupted.')
  expect(await scratchTables()).toBe(0)
})

test('what does not open of the log is told, and reads as erased: all else is compared', async () => {
  const first = `select min(position) from event where type = 'MessageReceived'`
  const { rows } = await app.pool.query<{ position: string; id: string; data: string }>(
    `select position::text, substring(stream from 9) as id, data::text from event where position = (${first})`,
  )
  const [event] = rows
  if (!event) throw new Error('There is no message')
  await app.pool.query(
    `update event set data = regexp_replace(data::text, '"box":"....', '"box":"AAAA')::json where position = ${event.position}`,
  )
  const unopened: unknown[] = []
  const found = foundIn(await lookAtTables(app.database.url, { tell: (one) => unopened.push(one) }))
  await app.pool.query('update event set data = $1 where position = $2', [event.data, event.position])

  expect(unopened).toEqual([
    expect.objectContaining({ kind: 'sealed', position: event.position, type: 'MessageReceived' }),
  ])
  expect(found['message']).toMatchObject([{ kind: 'row changed', key: event.id }])
  expect(Object.keys(found).toSorted(), 'and nothing is made of it elsewhere').toEqual([
    'message',
    'message_search',
  ])
})

test('a log that cannot be replayed is told, and is no fault of the command', async () => {
  await app.pool.query(
    `update event set meta = replace(meta::text, '"version":', '"version":-')::json
     where position = (select min(position) from event where type = 'MessageReceived')`,
  )
  const found = foundIn(await lookAtTables(app.database.url))
  expect(found['message']).toEqual([
    { kind: 'table', what: expect.stringMatching(/the log cannot be replayed: .*MessageReceived/) },
  ])
  expect(await scratchTables()).toBe(0)
})

test('a text that is shown cannot work on the terminal', () => {
  const columns = [{ column: 'body', live: '\u001b[2K\nTable message: 0 differences', replayed: 'words' }]
  const list = [{ kind: 'row changed', key: 'id', columns }] as const
  const text = asText({
    tables: [{ table: 'message', position: 1n, rows: 1, differences: { count: 1, list } }],
  })
  expect(text.split('\n')).toHaveLength(4)
  expect(text).toContain('row id, body:  [2K Table message: 0 differences in the table')
})
