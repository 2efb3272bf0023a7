import { once, setMaxListeners } from 'node:events'
import { postgresLeases } from '../../src/adapters/postgres/leases.ts'
import { createLeasePool } from '../../src/adapters/postgres/pool.ts'
import type { Parts } from '../../src/app/parts.ts'
import type { Leases } from '../../src/ports/leases.ts'
import { startApp } from './app.ts'
import type { createTestDatabase } from './database.ts'
import { gate } from './subscriber.ts'

type Database = Awaited<ReturnType<typeof createTestDatabase>>
const TIMES = { leaseMs: 3000, renewMs: 500, lookMs: 50 }

const ended = (signal: AbortSignal) =>
  signal.aborted ? Promise.resolve() : once(signal, 'abort').then(() => undefined)

/**
 * Leases that can be taken away from their node, until it is woken. It is told at once, or not before it wakes: then it
 * goes on as if it still had them, as a process does that was stopped.
 */
const takeable = (real: Leases) => {
  const held = new Map<string, (isTold: boolean) => void>()
  let awake = gate()

  /** The work goes on under a signal of its own; answers whether it came to its end. */
  const workUnder = async (
    work: Parameters<Leases['hold']>[1],
    lease: Parameters<typeof work>[0],
    signal: AbortSignal,
  ) => {
    const [ending, taken] = [new AbortController(), gate()]
    setMaxListeners(0, ending.signal)
    void ended(signal).then(() => ending.abort())
    void ended(lease.signal).then(() => isTaken || ending.abort())
    let isTaken = false
    const done = work({ ...lease, signal: ending.signal }).then(() => !ending.signal.aborted)
    held.set(lease.name, (isTold) => {
      isTaken = true
      if (isTold) ending.abort()
      else void awake.opened.then(() => ending.abort())
      void (isTold ? done : Promise.resolve()).then(taken.open, taken.open)
    })
    await Promise.race([done, taken.opened])
    held.delete(lease.name)
    return { done, rest: isTaken ? Promise.all([awake.opened, done.catch(() => {})]) : undefined }
  }

  const hold: Leases['hold'] = async (name, work, signal) => {
    let isDone = false
    while (!isDone && !signal.aborted) {
      let left: Awaited<ReturnType<typeof workUnder>> | undefined
      await real.hold(name, async (lease) => (left = await workUnder(work, lease, signal)), signal)
      if (left?.rest) await Promise.race([left.rest, ended(signal)])
      isDone = left?.rest === undefined && left !== undefined && (await left.done)
    }
  }

  return {
    leases: { hold, holderOf: real.holderOf },
    holds: (name: string) => held.has(name),
    take: (name: string, isTold = true) => held.get(name)?.(isTold),
    wake: () => {
      awake.open()
      awake = gate()
    },
  }
}

/** One of several nodes on one database, whose leases can be taken away. */
export const startSessionNode = async (
  database: Database,
  name: string,
  roles: string,
  environment: Record<string, string> = {},
  replace: Partial<Parts> = {},
) => {
  const errors: unknown[] = []
  const onError = (error: unknown) => void errors.push(error)
  const node = { name, url: '' }
  const pool = createLeasePool(database.url, onError)
  const sessions = takeable(postgresLeases(pool, node, onError, TIMES))
  const { opened: listening, open: listen } = gate()
  const leases: Leases = {
    hold: async (lease, work, signal) => {
      // Its URL goes with its sessions.
      if (lease.startsWith('instance-')) await listening
      return sessions.leases.hold(lease, work, signal)
    },
    holderOf: sessions.leases.holderOf,
  }
  const app = await startApp(
    { ROLES: roles, ...environment },
    { alone: false, node, leases, ...replace },
    database,
  )
  node.url = app.url
  listen()
  const leave = async () => {
    await app.leave()
    await pool.end()
  }
  const { holds, take, wake } = sessions
  return { ...app, node, errors, holds, take, wake, leave }
}
export type SessionNode = Awaited<ReturnType<typeof startSessionNode>>
