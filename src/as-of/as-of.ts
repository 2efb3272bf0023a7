import type { Kysely } from 'kysely'
import type { Pool, PoolClient } from 'pg'
import { invalid, Refusal } from '../domain/errors.ts'
import { createPlaces } from '../places.ts'
import type { EventStore } from '../ports/event-store.ts'
import type { Database } from '../projections/database.ts'
import { projections } from '../projections/index.ts'
import type { Settings } from '../settings.ts'
import { databaseOn } from './database.ts'
import { createEventFinder, TooManyEvents } from './find-events.ts'
import type { Question } from './question.ts'
import { takeEvents } from './subjects.ts'
import { makeTables } from './tables.ts'

/** How long a question waits for its turn, how long it may take then, and how long the database for one statement. */
const TURN_MS = 5000
const ANSWER_MS = 15_000
const STATEMENT_MS = 5000

/** The tables of the past are small and without indexes; nothing is planned for the millionth time. */
const BEGIN = `begin; set local enable_seqscan = on; set local jit = off`

type Source = {
  readonly pool: Pool
  readonly store: Pick<EventStore, 'readStream'>
  readonly maxEvents: number
  readonly statementMs: number
  readonly onProgress?: Parameters<typeof createEventFinder>[0]['onProgress']
}
type Ask<T> = (db: Kysely<Database>) => Promise<T>

/**
 * Asks the read models as they would be if the log had ended at a time. `audit_event` has to know all of the log until
 * then. Times of different nodes are not in perfect order: events count by their times, and are told in the order of the
 * log.
 */
export const askAsOf = async <T>(
  source: Source,
  question: Question,
  signal: AbortSignal,
  ask: Ask<T>,
): Promise<T> => {
  const { pool, store, maxEvents, statementMs, onProgress } = source
  const client = await pool.connect()
  try {
    await client.query(`${BEGIN}; set local statement_timeout = ${statementMs}`)
    const { tenantId, at } = question
    const finder = createEventFinder({ client, store, tenantId, at, maxEvents, signal, onProgress })
    await takeEvents({ client, finder, question })
    const tables = question.models.map((name) => projections[name])
    await makeTables(client, tables, finder.taken(), signal)
    // A table that is not among them is not found, rather than asked as it is now.
    await client.query('set transaction read only; set local search_path = pg_temp')
    const { db, end } = databaseOn(client)
    return await ask(db).finally(end)
  } finally {
    await giveBack(client)
  }
}

/** With the transaction, all that it made is gone. A connection that cannot say so is closed. */
const giveBack = (client: PoolClient) =>
  client.query('rollback').then(
    () => client.release(),
    (error: unknown) => client.release(error instanceof Error ? error : true),
  )

type Given = {
  readonly pool: Pool
  readonly store: Pick<EventStore, 'readStream'>
  readonly settings: Pick<Settings, 'asOfMaxEvents' | 'asOfConcurrency'>
  /** Resolves once `audit_event` knows everything written so far; refuses if it does not get there. */
  readonly untilKnown: () => Promise<void>
}

/** Questions about the past, for requests: few at a time, each within bounds. */
export const createAsOf = ({ pool, store, settings, untilKnown }: Given) => {
  const { asOfMaxEvents: maxEvents, asOfConcurrency } = settings
  const places = createPlaces(asOfConcurrency)
  const source = { pool, store, maxEvents, statementMs: STATEMENT_MS }

  return async <T>(question: Question, gone: AbortSignal, ask: Ask<T>): Promise<T> => {
    await untilKnown()
    const leave = await places.enter(AbortSignal.any([gone, AbortSignal.timeout(TURN_MS)])).catch(() => {
      throw new Refusal('UNAVAILABLE', 'Others ask about the past, too. Try again in a few seconds.')
    })
    const signal = AbortSignal.any([gone, AbortSignal.timeout(ANSWER_MS)])
    try {
      return await askAsOf(source, question, signal, ask)
    } catch (error) {
      if (error instanceof TooManyEvents) throw invalid('as_of', tooMany(maxEvents, question))
      if (signal.aborted || isTimeout(error)) throw new Refusal('UNAVAILABLE', tookTooLong)
      throw error
    } finally {
      leave()
    }
  }
}
export type AsOf = ReturnType<typeof createAsOf>

/** PostgreSQL's `query_canceled`. */
const isTimeout = (error: unknown) => error instanceof Error && 'code' in error && error.code === '57014'
const tookTooLong = 'It takes too long to find out what was known then. Try again later, or ask for less.'

const narrower = ({ subject: { kind } }: Question): string => {
  switch (kind) {
    case 'activity':
      return 'ask for fewer days or for one instance'
    case 'contacts':
      return 'ask for one contact'
    case 'account':
      return 'ask for one conversation'
    case 'conversation':
    case 'contact':
      return 'ask for an earlier time'
  }
}
const tooMany = (maxEvents: number, question: Question) =>
  `needs more than ${maxEvents} events of the log: ${narrower(question)}, or use "zapini audit --as-of" on the server`
