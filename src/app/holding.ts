import type { Leases } from '../ports/leases.ts'

/** Leases that remember which of them this node works under. */
export const rememberHolding = (leases: Leases) => {
  const holding = new Set<string>()
  return {
    holding: (): readonly string[] => [...holding],
    leases: {
      hold: (name, work, signal) =>
        leases.hold(
          name,
          async (lease) => {
            holding.add(name)
            try {
              await work(lease)
            } finally {
              holding.delete(name)
            }
          },
          signal,
        ),
      holderOf: (name) => leases.holderOf(name),
    } satisfies Leases,
  }
}
