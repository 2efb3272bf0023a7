import { onTestFinished } from 'vitest'
import { postgresEventStore } from '../../src/adapters/postgres/event-store.ts'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { postgresSealingKeys } from '../../src/adapters/postgres/sealing-keys.ts'
import { addLink, lastLink, linkAfter } from '../../src/chain/links.ts'
import { collect, type LogDifference } from '../../src/cli/verify/findings.ts'
import { verifyLog, type Expected } from '../../src/cli/verify/log.ts'
import { openedLog } from '../../src/cli/verify/opening.ts'
import { verifyTables } from '../../src/cli/verify/tables.ts'
import { type EventStore } from '../../src/ports/event-store.ts'
import { projections } from '../../src/projections/index.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { readLog } from '../../src/read-log.ts'
import { sealedStore } from '../../src/sealed-store.ts'

/** The log of a database as a program opens it that has just been started. */
export const visitLog = (url: string) => {
  const onError = (error: unknown) => {
    throw error
  }
  const pool = createPool(url, { name: 'visitor', max: 10, onError })
  const stored = postgresEventStore(pool, onError)
  const keys = postgresSealingKeys({ pool, listenPool: pool, master: undefined, alone: true, onError })
  const close = async () => {
    await Promise.all([keys.close(), stored.close()])
    await pool.end()
  }
  return { pool, stored, keys, store: sealedStore(stored, keys), close }
}

/** The same, until the test is over. */
export const testVisit = (url: string) => {
  const visit = visitLog(url)
  onTestFinished(visit.close)
  return visit
}

/** What `zapini verify --log` finds, and what it would print. */
export const lookAtLog = async (url: string, expected?: Expected, max = 1000) => {
  const { pool, stored, keys, close } = visitLog(url)
  try {
    return await verifyLog({ pool, stored, keys, expected, max, onProgress: () => {} })
  } finally {
    await close()
  }
}

const all: readonly AnyProjection[] = Object.values(projections)

type Looking = {
  readonly showValues?: boolean
  /** Told of what does not open. */
  readonly tell?: (difference: LogDifference) => void
  readonly interrupted?: AbortSignal
  readonly onProgress?: () => void
}

/** What `zapini verify --tables` finds. */
export const lookAtTables = async (
  url: string,
  { showValues = false, tell = collect(0).add, interrupted, onProgress = () => {} }: Looking = {},
) => {
  const { pool, stored, keys, close } = visitLog(url)
  try {
    return await verifyTables({
      ...{ pool, store: openedLog(stored, keys, tell), projections: all, showValues, max: 1000, onProgress },
      ...(interrupted && { interrupted }),
    })
  } finally {
    await close()
  }
}

/** Chains what is in the log, in links of a size. */
export const chainAll = async (pool: ReturnType<typeof createPool>, stored: EventStore, size: number) => {
  let link = await lastLink(pool)
  for await (const batch of readLog(stored, link.last, await stored.head(), { events: size, batches: size }))
    for (let n = 0; n < batch.length; n += size) {
      const next = linkAfter(link, batch.slice(n, n + size))
      if (!(await addLink(pool, next, link))) throw new Error('The chain has been written by somebody else')
      link = next
    }
}
