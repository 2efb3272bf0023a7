import type { Erasures } from '../../src/ports/erasures.ts'

/** Where nothing is erased. */
export const noErasures: Erasures = { tell: () => Promise.resolve(), count: () => Promise.resolve(0n) }
