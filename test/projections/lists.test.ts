import type { Pool, PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { loadLargeWorld } from '../../bench/large-world.ts'
import { findLandmarks, listCalls } from '../../bench/list-calls.ts'
import { recordQueries, type Query } from '../../bench/recorded-queries.ts'
import { startApp } from '../support/app.ts'
import { planOf } from '../support/plans.ts'

vi.setConfig({ hookTimeout: 240_000 })

const SIZE = { conversations: 20_000, messages: 100_000 }
const UNTIL = '2025-11-25T12:00:00.000Z'
/** Smaller tables may be read from end to end. */
const BIG_ROWS = 1000

/** Pages of 8 kB that one query may look at, where a row that is read alone takes three or four. */
const PAGES_MAX = 150
/** For what has to count or skip thousands of rows, or to read a hundred. The rows themselves would be 20,000 pages. */
const morePages: Readonly<Record<string, number>> = {
  'list, page of 100': 400,
  'list, deep page': 900,
  'list, deep page of an instance': 480,
  'list, unread': 70,
  'list, archived, found by name': 700,
  'list, a common tag': 850,
  'list, a rare tag': 500,
  'list, either of two tags': 2200,
  'list, untagged': 650,
  'list, untagged of an instance': 480,
  'list, found by a common name': 1100,
  'list, found by a name with accents': 560,
  'list, found by the beginning of most numbers': 1100,
  'list, found by one letter': 1000,
  'list, found by two letters': 1000,
  'list, found by two digits': 1000,
  'list, found by name, a tag, an instance': 9000,
  'contacts, deep page': 700,
  'contacts of an instance': 170,
  'contacts, deep page of an instance': 450,
  'contacts, found by a common name': 480,
  'contacts, found by one letter': 400,
  'messages, up to a day': 100,
  'search, a rare word': 1300,
  'search, a common word': 200,
  'search, a common word in an instance': 320,
  'search, a common word in a conversation': 2200,
  'search, a number': 1150,
  'search, a common phrase, without a word': 300,
  'search, the beginning of words': 600,
  'search, two words that never meet': 1150,
  deliveries: 220,
  'deliveries of a small instance': 220,
}

let app: Awaited<ReturnType<typeof startApp>>
let pool: Pool
let bigTables: readonly string[]
const asked = new Map<string, readonly Query[]>()

const namesOf = async (text: string, values: readonly unknown[]) =>
  (await pool.query<{ name: string }>(text, [...values])).rows.map(({ name }) => name)

beforeAll(async () => {
  app = await startApp()
  pool = app.pool
  await loadLargeWorld(pool, SIZE, UNTIL)
  bigTables = await namesOf(
    `select relname as name from pg_class
     where relkind = 'r' and relnamespace = 'public'::regnamespace and reltuples > $1`,
    [BIG_ROWS],
  )
  const landmarks = await findLandmarks(pool)
  const record = recordQueries(pool)
  for (const { name, path } of listCalls) {
    const turns = await record(async () => {
      const { status, body } = await app.admin.get(path(landmarks))
      expect({ status, body }, name).toMatchObject({ status: 200, body: { success: true } })
    })
    asked.set(name, turns.flat())
  }
})
afterAll(() => app.stop())

/** What is wrong with how a call's queries are done, or with those of them that name a table. */
const complaintsAbout = async (call: string, client: Pool | PoolClient, table?: string) => {
  const max = morePages[call] ?? PAGES_MAX
  const complaints: string[] = []
  for (const query of asked.get(call) ?? []) {
    if (table !== undefined && !new RegExp(`\\b${table}\\b`).test(query.text)) continue
    const { wholeTables, pages } = await planOf(client, query)
    for (const whole of wholeTables)
      if (bigTables.includes(whole)) complaints.push(`reads all of ${whole}: ${query.text}`)
    if (pages > max) complaints.push(`looks at ${pages} pages, not at most ${max}: ${query.text}`)
  }
  return complaints
}

it.each(listCalls)('$name: answered by indexes, from few pages', async ({ name }) => {
  expect(asked.get(name)).not.toEqual([])
  expect(await complaintsAbout(name, pool)).toEqual([])
})

describe('without any of its indexes', () => {
  /** What is found by these is no list, is swept, or is found nearly as well without in a world of this size. */
  const elsewhere = [
    'contact_number_idx',
    'conversation_tag_conversation_id_tag_id_idx',
    'message_number_idx',
    'message_whatsapp_id_idx',
    'message_conversation_id_at_idx',
    'webhook_delivery_finished_at_idx',
    'webhook_delivery_instance_id_id_idx',
    'webhook_delivery_endpoint_id_key_id_idx',
    'webhook_delivery_endpoint_id_idx',
    'webhook_delivery_key_idx',
    'webhook_delivery_event_id_idx',
    'contact_tenant_id_instance_id_number_idx',
  ]

  it('a list is found to be slow', async () => {
    const indexes = await pool.query<{ name: string; table: string }>(
      `select i.indexrelid::regclass::text as name, i.indrelid::regclass::text as table
       from pg_index i join pg_class t on t.oid = i.indrelid
       where t.relname = any($1) and not i.indisunique and not i.indexrelid::regclass::text = any($2) order by 1`,
      [bigTables, elsewhere],
    )
    expect(indexes.rows.length).toBeGreaterThan(15)
    const client = await pool.connect()
    const unnoticed: string[] = []
    for (const { name, table } of indexes.rows) {
      await client.query('begin')
      await client.query(`drop index ${name}`)
      let isNoticed = false
      for (const call of listCalls) isNoticed ||= (await complaintsAbout(call.name, client, table)).length > 0
      await client.query('rollback')
      if (!isNoticed) unnoticed.push(name)
    }
    client.release()
    expect(unnoticed).toEqual([])
  })
})
