import { vi } from 'vitest'

/** Waits until an expectation holds: as long as a busy machine may need, and no longer than it takes on an idle one. */
export const eventually = <T>(expectation: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(expectation, { timeout: 20_000, interval: 10 })
