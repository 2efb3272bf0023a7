import { Kysely, PostgresDialect } from 'kysely'
import type { PoolClient } from 'pg'
import { createPlaces } from '../places.ts'
import type { Database } from '../projections/database.ts'

/** The read models as one connection sees them, for queries that go one after the other, until it is ended. */
export const databaseOn = (client: PoolClient) => {
  const turn = createPlaces(1)
  let isOver = false
  const shared = {
    query: client.query.bind(client),
    release: turn.give,
  }
  const connect = async () => {
    await turn.take()
    if (!isOver) return shared
    turn.give()
    throw new Error('This question has been answered')
  }
  const db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool: { connect, end: () => Promise.resolve() } }),
  })
  /** Waits for what is under way; whoever comes later is refused. */
  const end = async () => {
    isOver = true
    await turn.take()
  }
  return { db, end }
}
