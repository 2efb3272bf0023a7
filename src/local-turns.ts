import { Refusal } from './domain/errors.ts'
import type { Turns } from './ports/turns.ts'

/** How long anybody waits for a turn. */
export const TURN_WAIT_MS = 10_000

export const turnDidNotCome = () =>
  new Refusal('UNAVAILABLE', 'Too many ask for the same at once. Try again in a few seconds.')

/** The turns of one process. */
export const createLocalTurns = (): Turns => {
  /** The last task of each key: the next one waits for it. */
  const turns = new Map<string, Promise<unknown>>()
  return async (key, task) => {
    const own = turns.get(key)?.then(task, task) ?? task()
    turns.set(key, own)
    try {
      return await own
    } finally {
      if (turns.get(key) === own) turns.delete(key)
    }
  }
}

/** Turns that nobody waits for longer than so. */
export const waitingAtMost =
  (waitMs: number, inTurn: Turns): Turns =>
  (key, task) =>
    new Promise((resolve, reject) => {
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        reject(turnDidNotCome())
      }, waitMs)
      const inTime = async () => {
        clearTimeout(timer)
        if (!isLate) resolve(await task())
      }
      void inTurn(key, inTime)
        .catch(reject)
        .finally(() => clearTimeout(timer))
    })
