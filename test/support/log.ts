import { setMaxListeners } from 'node:events'
import { onTestFinished } from 'vitest'
import { postgresEventStore } from '../../src/adapters/postgres/event-store.ts'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { createTransact } from '../../src/write/transact.ts'
import { createTestDatabase } from './database.ts'

/** An event log on a database of its own; closed and dropped when the test is over. */
export const testLog = async () => {
  const database = await createTestDatabase()
  const closing: (() => Promise<unknown>)[] = []
  const errors: unknown[] = []
  const onError = (error: unknown) => void errors.push(error)

  /** One more program on the same database: a pool, a store and a write path that share nothing with the others. */
  const openProcess = () => {
    const pool = createPool(database.url, { max: 10, onError })
    const store = postgresEventStore(pool, onError)
    closing.push(async () => {
      await store.close()
      await pool.end()
    })
    return { pool, store, ...createTransact(store) }
  }

  /** A signal for what runs in the background, and the promise to wait for after it. */
  const running = new AbortController()
  setMaxListeners(0, running.signal)
  const background: Promise<unknown>[] = []
  onTestFinished(async () => {
    running.abort()
    await Promise.all(background)
    for (const close of closing) await close()
    await database.drop()
  })
  return {
    ...openProcess(),
    openProcess,
    url: database.url,
    errors,
    signal: running.signal,
    /** Lets something run until the end of the test. */
    run: (job: { run(signal: AbortSignal): Promise<unknown> }) =>
      void background.push(job.run(running.signal)),
  }
}
export type TestLog = Awaited<ReturnType<typeof testLog>>
