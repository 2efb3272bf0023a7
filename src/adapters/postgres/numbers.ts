import type { Pool } from 'pg'
import { numberedKinds, type NumberedKind, type Numbers } from '../../ports/numbers.ts'
import { coalesce, fulfilled } from './coalesce.ts'

const BATCH_MAX = 500
/** Numbers taken ahead are used only this long, so that those of several processes rise together. */
const AHEAD_MS = 50
const AHEAD_MAX = 500

const sequenceOf = (kind: NumberedKind) => `${kind}_number`
export const numberSequences = (...kinds: readonly string[]) =>
  kinds.map((kind) => `create sequence ${kind}_number;`).join('\n')

/** Tables whose `number` column shows which numbers are taken, by kind. */
const tableOf: Record<NumberedKind, string> = {
  tenant: 'tenant',
  user: 'account',
  token: 'token',
  instance: 'instance',
  conversation: 'conversation',
  message: 'message',
  contact: 'contact',
  automation: 'automation',
}

/** Takes the numbers of one kind; under load some ahead, as many as are asked for in the time that they are good for. */
const createTaker = (pool: Pool, kind: NumberedKind) => {
  let ahead: number[] = []
  let fetchedAt = 0
  let takenSince = 0

  const fetch = coalesce<null, number>({
    max: BATCH_MAX,
    run: async (calls) => {
      const expected = Math.min(
        Math.floor((takenSince * AHEAD_MS) / (Date.now() - fetchedAt)) || 0,
        AHEAD_MAX,
      )
      const { rows } = await pool.query<{ number: number }>({
        name: `number-${kind}`,
        text: `select nextval('${sequenceOf(kind)}') as number from generate_series(1, $1)`,
        values: [calls.length + expected],
      })
      const numbers = rows.map(({ number }) => number)
      ahead = numbers.splice(calls.length)
      fetchedAt = Date.now()
      takenSince = 0
      return numbers.map(fulfilled)
    },
  })

  return async (): Promise<number> => {
    takenSince++
    const ready = Date.now() - fetchedAt < AHEAD_MS ? ahead.shift() : undefined
    return ready ?? fetch(null)
  }
}

/** Numbers from PostgreSQL sequences; under load one round trip serves many callers. */
export const postgresNumbers = (pool: Pool): Numbers & { align(): Promise<void> } => {
  const takers = Object.fromEntries(numberedKinds.map((kind) => [kind, createTaker(pool, kind)])) as Readonly<
    Record<NumberedKind, () => Promise<number>>
  >

  /**
   * Moves each sequence past the numbers that the log has already given, for a database made anew from a log. Several
   * nodes may start at once: the second looks when the first is done, and finds nothing to move.
   */
  const align = async () => {
    for (const kind of numberedKinds)
      await pool.query(
        `begin; select pg_advisory_xact_lock(hashtext('align numbers')); select setval('${sequenceOf(kind)}', taken.number)
         from (select max(number) as number from ${tableOf[kind]}) taken, ${sequenceOf(kind)} sequence
         where taken.number > sequence.last_value or (taken.number = sequence.last_value and not sequence.is_called); commit`,
      )
  }
  return Object.assign((kind: NumberedKind) => takers[kind](), { align })
}
