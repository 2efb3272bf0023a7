import { setTimeout as sleep } from 'node:timers/promises'
import type { Lane, WebhookQueue } from './queue.ts'

/** Leases are looked after this often; most lanes are given back before. */
const EVERY_MS = 1000

/** Holds on to the lanes that are being delivered: their leases are short, and last as long as somebody renews them. */
export const createHold = (queue: Pick<WebhookQueue, 'renew'>, onError: (error: unknown) => void) => {
  /** Until when each lane is held for certain, by the clock of this process. */
  const held = new Map<Lane, number>()

  const renew = async () => {
    const old = [...held.keys()].filter((lane) => lane.since < performance.now() - EVERY_MS)
    if (old.length === 0) return
    const { kept, until } = await queue.renew(old)
    for (const lane of old) if (held.has(lane)) held.set(lane, kept.has(lane) ? until : 0)
  }

  const run = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      await renew().catch(onError)
      await sleep(EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }

  return {
    run,
    add: (lane: Lane) => void held.set(lane, lane.until),
    drop: (lane: Lane) => void held.delete(lane),
    /** Nobody else has the lane at this moment. */
    has: (lane: Lane) => performance.now() < (held.get(lane) ?? 0),
  }
}
