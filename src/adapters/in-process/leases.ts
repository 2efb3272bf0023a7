import { setTimeout as sleep } from 'node:timers/promises'
import type { Leases, Node } from '../../ports/leases.ts'

const RETRY_MS = 500

/** The leases of a node that is alone: it holds whatever it wants, those of one name one after the other. */
export const inProcessLeases = (node: Node, onError: (error: unknown) => void): Leases => {
  /** The last work under each name; the next waits for its end. */
  const last = new Map<string, Promise<void>>()

  const workOn: Leases['hold'] = async (name, work, signal) => {
    while (!signal.aborted) {
      try {
        await work({ name, term: 1, signal })
        return
      } catch (error) {
        if (signal.aborted) return
        onError(error)
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {})
      }
    }
  }

  const hold: Leases['hold'] = (name, work, signal) => {
    const before = last.get(name)
    const own = before ? before.then(() => workOn(name, work, signal)) : workOn(name, work, signal)
    last.set(name, own)
    return own.finally(() => {
      if (last.get(name) === own) last.delete(name)
    })
  }
  return { hold, holderOf: (name) => Promise.resolve(last.has(name) ? node : undefined) }
}
