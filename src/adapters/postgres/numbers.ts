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

/** Takes the numbers of one kind; under load some ahead, as many as are asked for in the time that they are good for. */
const createTaker = (pool: Pool, kind: NumberedKind) => {
  let ahead: number[] = []
  let fetchedAt = -Infinity
  let takenSince = 0

  const takeAhead = (count: number) =>
    performance.now() - fetchedAt < AHEAD_MS ? ahead.splice(0, count) : []

  const fetch = coalesce<null, number>({
    max: BATCH_MAX,
    run: async (calls) => {
      // Those who came while the last ones were fetched may be served from what came with them.
      const ready = takeAhead(calls.length)
      if (ready.length === calls.length) return ready.map(fulfilled)
      const missing = calls.length - ready.length
      const expected = Math.min(
        Math.floor((takenSince * AHEAD_MS) / (performance.now() - fetchedAt)) || 0,
        AHEAD_MAX,
      )
      const { rows } = await pool.query<{ number: number }>({
        name: `number-${kind}`,
        text: `select nextval('${sequenceOf(kind)}') as number from generate_series(1, $1)`,
        values: [missing + expected],
      })
      const numbers = rows.map(({ number }) => number)
      ahead = numbers.splice(missing)
      fetchedAt = performance.now()
      takenSince = 0
      return [...ready, ...numbers].map(fulfilled)
    },
  })

  return async (): Promise<number> => {
    takenSince++
    const [ready] = takeAhead(1)
    return ready ?? fetch(null)
  }
}

/** Numbers from PostgreSQL sequences; under load one round trip serves many callers. */
export const postgresNumbers = (pool: Pool): Numbers & { align(): Promise<void> } => {
  const takers = Object.fromEntries(numberedKinds.map((kind) => [kind, createTaker(pool, kind)])) as Readonly<
    Record<NumberedKind, () => Promise<number>>
  >

  /**
   * Moves each sequence past the numbers that the log has already given, for a database made anew from a log. Other
   * nodes may be giving numbers meanwhile: nobody takes one between the look and the move.
   */
  const align = async () => {
    for (const kind of numberedKinds) {
      const behind = `from highest_number given, ${sequenceOf(kind)} sequence where given.id = '${kind}'
        and (given.number, true) > (sequence.last_value, sequence.is_called)`
      if ((await pool.query(`select 1 ${behind}`)).rows.length === 0) continue
      // Statements sent as one are one transaction. The first changes nothing, and locks until the end of it.
      await pool.query(
        `alter sequence ${sequenceOf(kind)} owned by none;
         select setval('${sequenceOf(kind)}', given.number) ${behind}`,
      )
    }
  }
  return Object.assign((kind: NumberedKind) => takers[kind](), { align })
}
