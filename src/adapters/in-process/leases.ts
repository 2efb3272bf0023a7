import { setTimeout as sleep } from 'node:timers/promises'
import type { Leases, Node } from '../../ports/leases.ts'

const RETRY_MS = 500

/** The leases of a node that is alone: it holds them all. */
export const inProcessLeases = (node: Node, onError: (error: unknown) => void): Leases => {
  const held = new Set<string>()
  return {
    hold: async (name, work, signal) => {
      while (!signal.aborted) {
        held.add(name)
        try {
          await work({ name, term: 1, signal })
          return
        } catch (error) {
          if (signal.aborted) return
          onError(error)
          await sleep(RETRY_MS, undefined, { signal }).catch(() => {})
        } finally {
          held.delete(name)
        }
      }
    },
    holderOf: (name) => Promise.resolve(held.has(name) ? node : undefined),
  }
}
