import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Pool } from 'pg'
import type { Lease, Leases, Node } from '../../ports/leases.ts'
import { coalesce, fulfilled } from './coalesce.ts'
import { leasesOf, type Own } from './lease-table.ts'

export type LeaseTimes = {
  /** A lease that is not renewed runs out after this, by the clock of the database. */
  readonly leaseMs: number
  readonly renewMs: number
  /** Candidates look this often, about: not all nodes at the same moment. */
  readonly lookMs: number
}
const TIMES: LeaseTimes = { leaseMs: 6000, renewMs: 1500, lookMs: 1000 }
/** A lease is given up so much of its time before it runs out: until then its work has to end. */
const GIVE_UP_SHARE = 1 / 6
/** Candidates that come within this time are asked for together. */
const GATHER_MS = 20
const RETRY_MS = 300
/** Work that failed rests, and meanwhile another node may try. */
const FAULT_PAUSE_MS = 1000
const HOLDERS_KEPT = 10_000
const HOLDER_BELIEVED_MS = 500
const LOOK_UP_MAX = 500

/** Somebody who waits for a lease. */
type Candidate = { readonly name: string; grant(term: number, goodUntil: number): void }
/** A lease that this node has, or had until it was lost, while its work has not come to an end. */
type Held = Own & {
  /** By the clock of this process; it may be renewed before. */
  goodUntil: number
  isLost: boolean
  /** Aborts when it is lost, and after the signal of `hold`. */
  readonly ending: AbortController
}
type Returned = Own & { done(): void }

/** Who holds which lease, believed for a moment; whoever asks at the same time asks together. */
const createLookUp = (ask: (names: readonly string[]) => Promise<ReadonlyMap<string, Node>>) => {
  const lookUp = coalesce<string, Node | undefined>({
    max: LOOK_UP_MAX,
    run: async (names) => {
      const holders = await ask(names)
      return names.map((name) => fulfilled(holders.get(name)))
    },
  })
  const known = new LRUCache<string, { readonly holder: Node | undefined }>({
    max: HOLDERS_KEPT,
    ttl: HOLDER_BELIEVED_MS,
  })
  return async (name: string): Promise<Node | undefined> => {
    const believed = known.get(name)
    if (believed) return believed.holder
    const holder = await lookUp(name)
    known.set(name, { holder })
    return holder
  }
}

/** Answers how the work came to its end. */
const doWork = async (
  work: (lease: Lease) => Promise<unknown>,
  { name, term, ending: { signal } }: Held,
  onError: (error: unknown) => void,
) => {
  try {
    await work({ name, term, signal })
    return signal.aborted ? 'interrupted' : 'done'
  } catch (error) {
    if (signal.aborted) return 'interrupted'
    onError(error)
    return 'failed'
  }
}

/**
 * Leases as rows of one table. However many there are, each step is one statement for all of them: what was given back
 * is freed, what is held is renewed, what is wanted is looked for. Only the clock of the database says when a lease has
 * run out; this process gives its own up by its own clock, counted from before it asked, so that it always does so
 * first. The pool is for nothing else, or a busy one would hold renewals up.
 */
export const postgresLeases = (
  pool: Pool,
  node: Node,
  onError: (error: unknown) => void,
  { leaseMs, renewMs, lookMs }: LeaseTimes = TIMES,
): Leases => {
  const candidates = new Set<Candidate>()
  const held = new Map<string, Held>()
  let returned: Returned[] = []
  let renewAt = 0
  let lookAt = 0
  let isRunning = false
  let wakeUp = () => {}
  let expiry: NodeJS.Timeout | undefined

  const table = leasesOf(pool, node, leaseMs / 1000)
  const lookUp = createLookUp(table.holders)
  const goodForMs = leaseMs * (1 - GIVE_UP_SHARE)
  const now = () => performance.now()
  const heldNow = () => [...held.values()].filter(({ isLost }) => !isLost)

  const lose = (lost: readonly Held[]) => {
    if (lost.length === 0) return
    for (const one of lost) {
      one.isLost = true
      one.ending.abort()
    }
    onError(new Error(`Lost the lease of ${lost.map(({ name }) => name).join(', ')}`))
  }

  /** Gives up by the clock of this process what could not be renewed, and looks again when that may be the case. */
  const expire = () => {
    clearTimeout(expiry)
    lose(heldNow().filter(({ goodUntil }) => goodUntil <= now()))
    const soonest = Math.min(...heldNow().map(({ goodUntil }) => goodUntil))
    if (soonest < Infinity) expiry = setTimeout(expire, soonest - now())
  }

  const renew = async () => {
    const present = heldNow()
    if (present.length === 0) return
    const goodUntil = now() + goodForMs
    const renewed = await table.renew(present)
    for (const one of present) if (renewed.has(one.name)) one.goodUntil = goodUntil
    lose(heldNow().filter((one) => present.includes(one) && !renewed.has(one.name)))
    expire()
  }

  const look = async () => {
    const wanted = new Set([...candidates].map(({ name }) => name).filter((name) => !held.has(name)))
    if (wanted.size === 0) return
    const goodUntil = now() + goodForMs
    for (const { name, term } of await table.acquire([...wanted])) {
      const candidate = [...candidates].find((one) => one.name === name)
      if (candidate) candidate.grant(term, goodUntil)
      else returned.push({ name, term, done: () => {} })
    }
    expire()
  }

  const release = async () => {
    const batch = returned
    returned = []
    if (batch.length === 0) return
    try {
      await table.release(batch)
    } finally {
      // One that could not be given back runs out.
      for (const { done } of batch) done()
    }
  }

  /** Does something, and answers how long to wait before the next time. */
  const thenAfter = async (step: () => Promise<void>, pauseMs: number) => {
    try {
      await step()
      return pauseMs
    } catch (error) {
      onError(error)
      return Math.min(pauseMs, RETRY_MS)
    }
  }

  const idle = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      wakeUp = () => (clearTimeout(timer), resolve())
    })

  const run = async () => {
    while (candidates.size + held.size + returned.length > 0) {
      await thenAfter(release, 0)
      if (now() >= renewAt) renewAt = now() + (await thenAfter(renew, renewMs))
      if (now() >= lookAt) {
        // Who comes during a look sets the time of the next.
        lookAt = Infinity
        const pauseMs = await thenAfter(look, lookMs * (0.8 + 0.4 * Math.random()))
        lookAt = Math.min(lookAt, now() + pauseMs)
      }
      if (returned.length === 0) await idle(Math.max(0, Math.min(renewAt, lookAt) - now()))
    }
    isRunning = false
  }

  const wake = () => {
    wakeUp()
    if (isRunning) return
    isRunning = true
    void run()
  }

  /** Waits for a lease; undefined after the signal. */
  const obtain = (name: string, signal: AbortSignal) =>
    new Promise<Held | undefined>((resolve) => {
      const leave = () => {
        candidates.delete(candidate)
        resolve(undefined)
      }
      const candidate: Candidate = {
        name,
        grant: (term, goodUntil) => {
          signal.removeEventListener('abort', leave)
          candidates.delete(candidate)
          const ending = new AbortController()
          // A part of the program that works by itself may have any number that listen.
          setMaxListeners(0, ending.signal)
          const granted = { name, term, goodUntil, isLost: false, ending }
          held.set(name, granted)
          resolve(granted)
        },
      }
      signal.addEventListener('abort', leave, { once: true })
      candidates.add(candidate)
      lookAt = Math.min(lookAt, now() + GATHER_MS)
      wake()
    })

  const giveBack = ({ name, term }: Held) =>
    new Promise<void>((done) => {
      held.delete(name)
      returned.push({ name, term, done })
      expire()
      wake()
    })

  const hold: Leases['hold'] = async (name, work, signal) => {
    while (!signal.aborted) {
      const granted = await obtain(name, signal)
      if (!granted) return
      const end = () => granted.ending.abort()
      signal.addEventListener('abort', end, { once: true })
      const outcome = signal.aborted ? 'interrupted' : await doWork(work, granted, onError)
      signal.removeEventListener('abort', end)
      await giveBack(granted)
      if (outcome === 'done') return
      if (outcome === 'failed') await sleep(FAULT_PAUSE_MS, undefined, { signal }).catch(() => {})
    }
  }

  /** Looks at the clock too: a process that was stopped meanwhile must not answer as if it still had the lease. */
  const isOwn = (name: string) => {
    const own = held.get(name)
    return own !== undefined && !own.isLost && own.goodUntil > now()
  }

  return {
    hold,
    holderOf: async (name) => (isOwn(name) ? node : lookUp(name)),
  }
}
