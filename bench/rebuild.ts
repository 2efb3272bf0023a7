import { postgresEventStore } from '../src/adapters/postgres/event-store.ts'
import { createPool } from '../src/adapters/postgres/pool.ts'
import { ensureTable } from '../src/projections/checkpoint.ts'
import { conversations } from '../src/projections/conversations.ts'
import { rebuild } from '../src/projections/rebuild.ts'
import { migrateDatabase } from './database.ts'
import { receivedMessage, startedConversation } from './events.ts'
import { foldByHand, prepareFoldByHand } from './fold-by-hand.ts'
import type { Case, OpenSuite, Run } from './suite.ts'
import type { Pool } from 'pg'

const CONVERSATIONS = 10_000
const MESSAGES = 60_000
const INSERTED_AT_ONCE = 1000

const fail = (error: unknown): never => {
  throw error
}

/** Conversations, then their messages in turns, as rows of the log. */
const fillLog = async (pool: Pool) => {
  const chatOf = (n: number) => `5511${String(n % CONVERSATIONS).padStart(9, '0')}@s.whatsapp.net`
  const entry = (n: number) =>
    n < CONVERSATIONS ? startedConversation(n + 1, chatOf(n)) : receivedMessage(n + 1, chatOf(n))
  for (let first = 0; first < CONVERSATIONS + MESSAGES; first += INSERTED_AT_ONCE) {
    const entries = Array.from({ length: INSERTED_AT_ONCE }, (_, n) => entry(first + n))
    await pool.query(
      `insert into event (stream, revision, id, type, data, meta)
       select stream, 0, id, type, data::json, meta::json
       from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[]) with ordinality
         e(stream, id, type, data, meta, n) order by n`,
      [
        entries.map(({ stream }) => stream),
        entries.map(({ event }) => event.id),
        entries.map(({ event }) => event.type),
        entries.map(({ event }) => JSON.stringify(event.data)),
        entries.map(({ event }) => JSON.stringify(event.meta)),
      ],
    )
  }
  await pool.query('vacuum analyze event')
}

const timed = async (work: () => Promise<number>): Promise<Run> => {
  const startedAt = performance.now()
  const operations = await work()
  return { operations, seconds: (performance.now() - startedAt) / 1000, latenciesMs: [] }
}

/** The read model of conversations made anew from a log of 70,000 events. */
export const openRebuild: OpenSuite = async (databases) => {
  const url = await databases.create('rebuild')
  await migrateDatabase(url)
  const pool = createPool(url, { max: 4, onError: fail })
  await fillLog(pool)
  await ensureTable(pool, conversations)
  await prepareFoldByHand(pool)
  const store = postgresEventStore(pool, fail)

  const byHand = 'fold and multi-row upsert, by hand'
  const cases: Case[] = [
    {
      name: 'rebuild',
      callers: 1,
      ceiling: byHand,
      aim: { ratio: 0.8 },
      run: () => timed(() => rebuild([conversations], { pool, store })),
    },
    { name: byHand, callers: 1, run: () => timed(() => foldByHand(pool)) },
  ]
  for (const { run } of cases) await run(0)

  return {
    unit: 'events',
    about: `The read model of conversations made anew beside the live one: ${MESSAGES} messages in ${CONVERSATIONS} conversations. Ceiling: the
same log read in pages of 1000 with pg, folded by code for this one table, upserted with unnest, the checkpoint in the
same transaction.`,
    cases,
    close: async () => {
      await store.close()
      await pool.end()
    },
  }
}
