import { createLocalTurns, TURN_WAIT_MS, waitingAtMost } from '../../local-turns.ts'
import type { Turns } from '../../ports/turns.ts'

/** The turns of a node that is alone. */
export const inProcessTurns = (waitMs: number = TURN_WAIT_MS): Turns =>
  waitingAtMost(waitMs, createLocalTurns())
