import type { Pool } from 'pg'
import { numberedKinds, type NumberedKind, type Numbers } from '../../ports/numbers.ts'
import { coalesce, fulfilled } from './coalesce.ts'

const BATCH_MAX = 500
const sequenceOf = (kind: NumberedKind) => `${kind}_number`
export const numberSequences = numberedKinds.map((kind) => `create sequence ${sequenceOf(kind)};`).join('\n')

/** Tables whose `number` column shows which numbers are taken, by kind. */
const tableOf: Record<NumberedKind, string> = {
  tenant: 'tenant',
  user: 'account',
  token: 'token',
  instance: 'instance',
  conversation: 'conversation',
  message: 'message',
}

/** Numbers from PostgreSQL sequences; callers at the same time share one round trip. */
export const postgresNumbers = (pool: Pool): Numbers & { align(): Promise<void> } => {
  const takers = Object.fromEntries(
    numberedKinds.map((kind) => [
      kind,
      coalesce<null, number>({
        max: BATCH_MAX,
        run: async (calls) => {
          const { rows } = await pool.query<{ number: number }>({
            name: `number-${kind}`,
            text: `select nextval('${sequenceOf(kind)}') as number from generate_series(1, $1)`,
            values: [calls.length],
          })
          return rows.map(({ number }) => fulfilled(number))
        },
      }),
    ]),
  ) as Record<NumberedKind, (call: null) => Promise<number>>

  /** Moves each sequence past the numbers that the log has already given, for a database made anew from a log. */
  const align = async () => {
    for (const kind of numberedKinds)
      await pool.query(
        `select setval('${sequenceOf(kind)}', taken.number)
         from (select max(number) as number from ${tableOf[kind]}) taken, ${sequenceOf(kind)} sequence
         where taken.number > sequence.last_value or (taken.number = sequence.last_value and not sequence.is_called)`,
      )
  }
  return Object.assign((kind: NumberedKind) => takers[kind](null), { align })
}
