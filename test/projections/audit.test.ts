import { Kysely, PostgresDialect } from 'kysely'
import { expect, test } from 'vitest'
import { recordQueries } from '../../bench/recorded-queries.ts'
import type { ZapiniEvent } from '../../src/domain/catalogue.ts'
import { conversationId, messageId } from '../../src/domain/ids.ts'
import { actorKinds, type Metadata } from '../../src/domain/metadata.ts'
import { NO_STREAM, START, type Recorded } from '../../src/ports/event-store.ts'
import { auditPage, auditRows, endsOf, isFound, type AuditFilter } from '../../src/projections/audit.ts'
import type { Database } from '../../src/projections/database.ts'
import { projections } from '../../src/projections/index.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import { eventsOf } from '../../src/read-log.ts'
import { INSTANCE, JOHN, later, TENANT, toAppend } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { planOf } from '../support/plans.ts'
import { AUTOMATION, HIDDEN, story, TOKEN, VIP, ZOE } from '../support/story.ts'

const OTHER_TENANT = '0190d0a0-0000-7000-8000-000000000002'
const USER = '550e8400-e29b-41d4-a716-446655440500'

/** The story, told by all kinds of actors of two tenants; every third event led to the next. */
const tellByMany = async ({ store }: TestLog) => {
  const revisions = new Map<string, number>()
  let before: string | undefined
  for (const [n, [stream, event]] of story.entries()) {
    const kind = actorKinds[n % actorKinds.length] ?? 'system'
    const actor = kind === 'user' || kind === 'token' || kind === 'automation' ? { kind, id: USER } : { kind }
    const meta: Partial<Metadata> = {
      tenant: n % 5 === 4 ? OTHER_TENANT : TENANT,
      actor,
      correlation: `request ${Math.floor(n / 7)}`,
      at: later(n),
      ...(n % 3 === 2 && before !== undefined && { causation: before }),
    }
    const told = toAppend(event, meta)
    const revision = revisions.get(stream) ?? NO_STREAM
    await store.append(stream, revision, [told])
    revisions.set(stream, revision + 1)
    before = told.id
  }
}

const project = async (log: TestLog) => {
  await rebuild([projections.auditEvents], log)
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: log.pool }) })
}
const wholeLog = async ({ store }: TestLog) => {
  const events: Recorded[] = []
  for await (const event of eventsOf(store, START, await store.head())) events.push(event)
  return events
}

/** Told without the rules of the program: an id stands somewhere in the event, its stream or its actor. */
const bruteForce = (events: readonly Recorded[], filter: AuditFilter) =>
  events
    .filter((event) => {
      const { meta, type, stream, data } = event
      const words = JSON.stringify([stream, data, meta.actor])
      return (
        (filter.tenantId ?? meta.tenant) === meta.tenant &&
        (filter.about ?? []).every((ids) => ids.some((id) => words.includes(id))) &&
        (filter.types ?? [type]).includes(type) &&
        (filter.actorKind ?? meta.actor.kind) === meta.actor.kind &&
        (filter.correlation ?? meta.correlation) === meta.correlation &&
        (filter.causation === undefined || filter.causation === meta.causation) &&
        Date.parse(meta.at) >= Date.parse(filter.from ?? later(-1)) &&
        Date.parse(meta.at) <= Date.parse(filter.to ?? later(100_000))
      )
    })
    .map(({ id }) => id)

test('every filter, alone and with each of the others, finds what a look at the whole log finds', async () => {
  const log = await testLog()
  await tellByMany(log)
  const db = await project(log)
  const events = await wholeLog(log)
  const causation = events.find(({ meta }) => meta.causation !== undefined)?.meta.causation
  const ids = [
    conversationId(INSTANCE, JOHN),
    messageId(INSTANCE, 'hi'),
    INSTANCE,
    TOKEN,
    USER,
    VIP,
    AUTOMATION,
  ]
  const single: AuditFilter[] = [
    ...ids.map((id) => ({ about: [[id]] })),
    { about: [[conversationId(INSTANCE, ZOE), conversationId(INSTANCE, HIDDEN)]] },
    ...[TENANT, OTHER_TENANT].map((tenantId) => ({ tenantId })),
    { types: ['MessageReceived'] },
    { types: ['ConversationTagged', 'TagCreated', 'MessageRead'] },
    ...actorKinds.map((actorKind) => ({ actorKind })),
    { correlation: 'request 3' },
    { causation },
    { from: later(40) },
    { to: later(60) },
  ]
  const pairs = single.flatMap((one) => single.map((other) => ({ ...one, ...other })))
  const both = { about: [[INSTANCE], [conversationId(INSTANCE, JOHN)]], from: later(20), to: later(70) }
  let hits = 0
  for (const filter of [
    {},
    ...single,
    ...pairs,
    both,
    { ...both, tenantId: TENANT, actorKind: 'user' as const },
  ]) {
    const expected = bruteForce(events, filter)
    const said = JSON.stringify(filter)
    hits += expected.length > 0 ? 1 : 0
    expect(
      (await auditPage(db, filter, { order: 'asc', limit: 1000 })).map(({ id }) => id),
      said,
    ).toEqual(expected)
    expect(
      events.filter((event) => isFound(filter, event)).map(({ id }) => id),
      said,
    ).toEqual(expected)
  }
  expect(hits).toBeGreaterThan(200)
  for (const filter of single)
    expect(bruteForce(events, filter).length, JSON.stringify(filter)).toBeGreaterThan(0)
})

test('a page after the other is the whole, in either order, up to where it is wanted', async () => {
  const log = await testLog()
  await tellByMany(log)
  const db = await project(log)
  const filter = { tenantId: TENANT }
  const read = async (order: 'asc' | 'desc', upTo?: number) => {
    const ids: string[] = []
    let after: number | undefined
    for (;;) {
      const rows = await auditPage(db, filter, { order, after, upTo, limit: 7 })
      ids.push(...rows.map(({ id }) => id))
      after = rows.at(-1)?.position
      if (rows.length === 0) return ids
    }
  }
  const expected = bruteForce(await wholeLog(log), filter)
  expect(await read('asc')).toEqual(expected)
  expect(await read('desc')).toEqual(expected.toReversed())
  const [row] = await auditRows(db, expected.slice(20, 21))
  expect(await read('asc', row?.position)).toEqual(expected.slice(0, 21))
})

test('what a conversation was before it was deleted ended there, also in what it had become part of', async () => {
  const log = await testLog()
  const [a, b, c] = ['a', 'b', 'c'].map((name) => conversationId(INSTANCE, name)) as [string, string, string]
  const revisions = new Map<string, number>()
  const tell = async (id: string, type: 'deleted' | 'archived' | 'merged', into = '') => {
    const event: ZapiniEvent =
      type === 'deleted'
        ? { type: 'ConversationDeleted', data: { instanceId: INSTANCE, at: later(1) } }
        : type === 'archived'
          ? { type: 'ConversationArchived', data: { at: later(1) } }
          : {
              type: 'ConversationMerged',
              data: { instanceId: INSTANCE, into, intoNumber: 1, chat: JOHN, at: later(1) },
            }
    const stream = `conversation-${id}`
    const revision = revisions.get(stream) ?? NO_STREAM
    revisions.set(stream, revision + 1)
    return Number(await log.store.append(stream, revision, [toAppend(event)]))
  }
  await tell(c, 'archived')
  const cDeleted = await tell(c, 'deleted')
  await tell(a, 'archived')
  const early = await tell(a, 'deleted')
  await tell(b, 'archived')
  await tell(b, 'merged', a)
  await tell(c, 'merged', b)
  const db = await project(log)
  const ends = async () =>
    Object.fromEntries((await endsOf(db, TENANT, [a, b, c])).map(({ id, position }) => [id, position]))
  expect(await ends(), 'b came to a after a had been deleted').toEqual({ [a]: early, [c]: cDeleted })
  const late = await tell(a, 'deleted')
  await rebuild([projections.auditEvents], log)
  expect(await ends(), 'all of it was part of a by then').toEqual({ [a]: late, [b]: late, [c]: late })
})

const ROWS = 100_000
test('in a large log, each filter reads a few pages of an index, never the table', async () => {
  const log = await testLog()
  const db = await project(log)
  // A tenant of a hundred instances, ten thousand conversations and a user who does a little.
  await log.pool.query(
    `insert into audit_event
     select gen_random_uuid(), n, case when n % 1000 = 0 then $1::uuid else $2::uuid end,
       to_char('2025-01-01Z'::timestamptz at time zone 'UTC' + n * interval '10 seconds', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       case when n % 500 = 0 then 'TagCreated' else 'MessageReceived' end, 'message-' || n, 0,
       case when n % 700 = 0 then 'user' else 'gateway' end, null, 'request ' || n / 3, null,
       array[md5('message ' || n)::uuid, md5('conversation ' || n % 10000)::uuid, md5('instance ' || n % 100)::uuid]
     from generate_series(1, ${ROWS}) n`,
    [OTHER_TENANT, TENANT],
  )
  await log.pool.query('vacuum analyze audit_event')
  const { rows } = await log.pool.query<Record<string, string>>(
    `select md5('message 777')::uuid as message, md5('conversation 42')::uuid as conversation, md5('instance 7')::uuid as instance`,
  )
  const { message = '', conversation = '', instance = '' } = rows[0] ?? {}
  const record = recordQueries(log.pool)
  const pagesOf = async (filter: AuditFilter, limit = 50) => {
    const [query] = (
      await record(() => auditPage(db, { tenantId: TENANT, ...filter }, { order: 'desc', limit }))
    ).flat()
    if (!query) throw new Error('Nothing was asked')
    const plan = await planOf(log.pool, query)
    expect(plan.wholeTables, JSON.stringify(filter)).toEqual([])
    return plan.pages
  }
  expect(await pagesOf({})).toBeLessThan(80)
  expect(await pagesOf({ about: [[message]] })).toBeLessThan(40)
  expect(await pagesOf({ about: [[conversation]] })).toBeLessThan(80)
  expect(await pagesOf({ about: [[conversation], [instance]] })).toBeLessThan(80)
  expect(await pagesOf({ about: [[instance]] })).toBeLessThan(1500)
  expect(await pagesOf({ correlation: 'request 500' })).toBeLessThan(40)
  expect(await pagesOf({ causation: 'nobody' })).toBeLessThan(40)
  expect(await pagesOf({ types: ['TagCreated'] })).toBeLessThan(400)
  expect(await pagesOf({ types: ['MessageReceived'] })).toBeLessThan(80)
  // What PostgreSQL makes of the sample of each `analyze` differs.
  for (let n = 0; n < 20; n++) {
    await log.pool.query('analyze audit_event')
    const pages = await pagesOf({ from: '2025-01-03T00:00:00.000Z', to: '2025-01-03T01:00:00.000Z' })
    expect(pages).toBeLessThan(150)
  }
  expect(await pagesOf({ tenantId: OTHER_TENANT })).toBeLessThan(150)
})
