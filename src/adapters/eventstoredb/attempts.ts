import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailable } from '../../ports/event-store.ts'
import { within } from '../within.ts'
import { faultOf } from './errors.ts'

const PAUSE_MIN_MS = 50
const PAUSE_MAX_MS = 1000

/** Nothing was answered in time. */
export class Late extends Error {
  override name = 'Late'
}

/** Waits for so long, and throws Late then. `onLate` may end what is still under way. */
export const inTime = <T>(ms: number, result: Promise<T>, onLate: () => void = () => {}): Promise<T> =>
  within(ms, result, () => {
    onLate()
    return new Late(`EventStoreDB did not answer within ${Math.round(ms)} ms`)
  })

/** Half of a pause or up to all of it, so that those who failed together do not come back together. */
export const jittered = (ms: number) => ms * (0.5 + Math.random() / 2)

/**
 * Makes a call until it is answered, as often as the time allows, with growing pauses; it is told how much is left.
 * Throws StoreUnavailable when time is over or `isOver`, and at once what is an answer or not worth another try.
 */
export const attempts = async <T>(
  endsAt: number,
  isOver: () => boolean,
  call: (leftMs: number) => Promise<T>,
  isHopeless: (error: unknown) => boolean = () => false,
): Promise<T> => {
  let cause: unknown
  for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0 || isOver()) throw new StoreUnavailable('EventStoreDB cannot be reached', { cause })
    try {
      return await call(leftMs)
    } catch (error) {
      if (error instanceof StoreUnavailable || faultOf(error) !== 'lost') throw error
      if (isHopeless(error)) throw new StoreUnavailable('EventStoreDB cannot answer', { cause: error })
      cause = error
    }
    await sleep(Math.max(0, Math.min(jittered(pauseMs), endsAt - performance.now())))
  }
}
