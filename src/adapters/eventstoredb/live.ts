import { setTimeout as sleep } from 'node:timers/promises'
import type { Position, Recorded } from '../../ports/event-store.ts'
import { jittered } from './attempts.ts'
import type { Connection, Live } from './connection.ts'
import { commitOf, ours } from './events.ts'

const PAUSE_MIN_MS = 100
const PAUSE_MAX_MS = 5000
const BATCH_MAX = 500
const usualTimes = {
  /** Looked after this often, in case the subscription stands still without saying so. */
  lookMs: 10_000,
  /** What it has not told by then, it has missed. */
  graceMs: 2000,
}

type Options = {
  readonly connection: Pick<Connection, 'subscribe'>
  readonly prefix: string
  readonly head: () => Promise<Position>
  /** Events, and the position that they come right after. */
  readonly offer: (after: Position, events: readonly Recorded[]) => void
  readonly onError: (error: unknown) => void
  /** For tests, which do not want to wait for long. */
  readonly times?: typeof usualTimes
}

/**
 * The live subscription: tells of everything of ours after a position, until the signal. One that ends is begun anew
 * after the last event that was told; checkpoints of the server are left alone, since they have been wrong.
 */
export const followLive = async (options: Options, from: Position, signal: AbortSignal): Promise<void> => {
  const { connection, prefix, head, offer, onError, times = usualTimes } = options
  let told = from
  let pauseMs = PAUSE_MIN_MS
  let end = () => {}

  const follow = async (subscription: Live) => {
    let batch: Recorded[] = []
    let last = told
    for await (const event of subscription) {
      const own = ours(event, prefix)
      if (own && own.position > last) {
        batch.push(own)
        last = own.position
      }
      const isMore = subscription.readableLength > 0 && batch.length < BATCH_MAX
      if (batch.length === 0 || isMore) continue
      offer(told, batch)
      told = last
      batch = []
      pauseMs = PAUSE_MIN_MS
    }
  }

  const keepFollowing = async () => {
    while (!signal.aborted) {
      const subscription = connection.subscribe(commitOf(told), prefix)
      end = () => {
        // Rejects where the call never came to be.
        subscription.unsubscribe().catch(() => {})
        subscription.destroy()
      }
      signal.addEventListener('abort', end)
      try {
        await follow(subscription)
      } catch (error) {
        if (!signal.aborted) onError(error)
      } finally {
        signal.removeEventListener('abort', end)
        end()
      }
      await sleep(jittered(pauseMs), undefined, { signal }).catch(() => {})
      pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)
    }
  }

  const lookAfter = async () => {
    const pause = (ms: number) => sleep(ms, undefined, { signal, ref: false }).catch(() => {})
    while (!signal.aborted) {
      await pause(times.lookMs)
      const newest = signal.aborted ? told : await head().catch(() => told)
      if (newest <= told) continue
      await pause(times.graceMs)
      if (newest <= told || signal.aborted) continue
      onError(new Error('The subscription missed events, and is begun anew'))
      end()
    }
  }

  await Promise.all([keepFollowing(), lookAfter()])
}
