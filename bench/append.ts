import pg from 'pg'
import { postgresEventStore } from '../src/adapters/postgres/event-store.ts'
import { createLogPool } from '../src/adapters/postgres/pool.ts'
import { NO_STREAM } from '../src/ports/event-store.ts'
import { timedLoop } from './closed-loop.ts'
import { migrateDatabase } from './database.ts'
import { likeMessage, receivedMessage } from './events.ts'
import type { Case, OpenSuite } from './suite.ts'

const WARM_UP_SECONDS = 0.5
/** Callers, connections of the ceiling. More connections than 32 are slower on a few processors, not faster. */
const LOADS = [
  { callers: 1, connections: 1 },
  { callers: 32, connections: 32, aim: { ratio: 1.8 } },
  { callers: 128, connections: 32 },
]

const fail = (error: unknown): never => {
  throw error
}

/** One event appended to a new stream, durably, by callers who each wait for their own. */
export const openAppend: OpenSuite = async (databases) => {
  const url = await databases.create('append')
  await migrateDatabase(url)
  const pool = createLogPool(url, { max: 4, onError: fail })
  const store = postgresEventStore(pool, fail)
  const clients = await Promise.all(Array.from({ length: 32 }, () => openClient(url)))
  const message = receivedMessage(1)

  const append = async () => {
    const { stream, event } = likeMessage(message)
    await store.append(stream, NO_STREAM, [event])
  }
  const insert = async (caller: number) => {
    const { stream, event } = likeMessage(message)
    await clients[caller]?.query({
      name: 'insert',
      text: 'insert into event (stream, revision, id, type, data, meta) values ($1, $2, $3, $4, $5, $6) returning position',
      values: [stream, 0, event.id, event.type, JSON.stringify(event.data), JSON.stringify(event.meta)],
    })
  }

  const cases = LOADS.flatMap(({ callers, connections, aim }): Case[] => [
    {
      name: `append, ${callers}`,
      callers,
      ceiling: `raw insert, ${connections}`,
      ...(aim && { aim }),
      run: (seconds) => timedLoop(callers, seconds, append),
    },
    ...(callers === connections
      ? [
          {
            name: `raw insert, ${callers}`,
            callers,
            run: (seconds: number) => timedLoop(callers, seconds, insert),
          },
        ]
      : []),
  ])
  for (const { run } of cases) await run(WARM_UP_SECONDS)

  return {
    unit: 'events',
    about: `One event of about 600 bytes to a new stream through the event store, durable, with the revision checked. Ceiling: raw
autocommit inserts into the same table with pg, on a connection for each caller (32 for 128 callers).`,
    cases,
    close: async () => {
      await store.close()
      await Promise.all([pool.end(), ...clients.map((client) => client.end())])
    },
  }
}

const openClient = async (connectionString: string) => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  return client
}
