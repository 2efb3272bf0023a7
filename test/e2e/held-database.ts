import pg from 'pg'
import { expect, vi } from 'vitest'
import { PATIENCE } from './main-job.ts'

/** What every append to the log waits for. */
const APPEND_LOCK = 7_266_001

/**
 * A database under a program that is to be killed at a certain moment: what it writes can be held up, so that it stops
 * there, and nothing of it goes on once it is dead.
 */
export const holdDatabase = async (url: string) => {
  const looking = new pg.Client({ connectionString: url })
  await looking.connect()
  const query = async (text: string): Promise<Record<string, unknown>[]> => (await looking.query(text)).rows
  const holders = new Set<pg.Client>()

  /** Takes locks until it is let go. */
  const hold = async (statement: string) => {
    const holder = new pg.Client({ connectionString: url, application_name: 'holder' })
    await holder.connect()
    await holder.query('begin')
    await holder.query(statement)
    holders.add(holder)
    return async () => {
      holders.delete(holder)
      await holder.end()
    }
  }

  return {
    query,
    holdAppends: () => hold(`select pg_advisory_xact_lock(${APPEND_LOCK})`),
    holdKeys: () => hold('lock table whatsapp_key in share mode'),
    holdJournal: () => hold('select from whatsapp_inbound for update'),
    /** Resolves once the program waits with a statement that says so. */
    untilHeld: (statement: string) =>
      vi.waitFor(async () => {
        const { rows } = await looking.query(
          `select from pg_stat_activity where datname = current_database() and application_name = 'zapini'
           and wait_event_type = 'Lock' and position($1 in query) > 0`,
          [statement],
        )
        expect(rows, `held at ${statement}`).not.toEqual([])
      }, PATIENCE),
    /** How many messages the journal has that were not told. */
    journalled: async () =>
      Number((await query('select count(*) as n from whatsapp_inbound where not plumbing'))[0]?.['n']),
    /** What a dead program has asked for is not done any more. */
    endStatements: () =>
      vi.waitFor(async () => {
        const rows = await query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and application_name = 'zapini'`,
        )
        expect(rows).toEqual([])
      }, PATIENCE),
    /** As if the time had passed after which the others take over what a dead program had. */
    endLeases: () => query('update lease set until = now()'),
    close: async () => {
      await Promise.all([...holders].map((holder) => holder.end()))
      await looking.end()
    },
  }
}
export type HeldDatabase = Awaited<ReturnType<typeof holdDatabase>>
