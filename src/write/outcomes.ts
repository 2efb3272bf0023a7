import { setTimeout as sleep } from 'node:timers/promises'
import { idOfStream } from '../domain/decider.ts'
import type { EventStore, Position } from '../ports/event-store.ts'

const RETRY_MS = 200

/**
 * Lets a request wait for the outcome of a send, whichever process does the sending: the log tells. An outcome that
 * was written before the wait began is not seen; begin before queueing.
 */
export const createOutcomes = (store: EventStore, onError: (error: unknown) => void) => {
  const waiting = new Map<string, Set<(position: Position) => void>>()

  const wait = (messageId: string, timeoutMs: number) => {
    const waiters = waiting.get(messageId) ?? new Set()
    waiting.set(messageId, waiters)
    let settle: (position: Position | undefined) => void = () => {}
    const outcome = new Promise<Position | undefined>((resolve) => (settle = resolve))
    const timer = setTimeout(() => end(undefined), timeoutMs)
    const end = (position: Position | undefined) => {
      clearTimeout(timer)
      waiters.delete(end)
      if (waiters.size === 0) waiting.delete(messageId)
      settle(position)
    }
    waiters.add(end)
    /** Position of the outcome; undefined after the time-out or once given up. */
    return { outcome, giveUp: () => end(undefined) }
  }

  const follow = async (signal: AbortSignal) => {
    for await (const batch of store.subscribeToAll(await store.head(), signal))
      for (const { type, stream, position } of batch)
        if (type === 'MessageSent' || type === 'MessageFailed')
          for (const end of waiting.get(idOfStream(stream)) ?? []) end(position)
  }

  const run = async (signal: AbortSignal) => {
    while (!signal.aborted)
      await follow(signal).catch(async (error: unknown) => {
        if (signal.aborted) return
        onError(error)
        await sleep(RETRY_MS)
      })
  }

  return { wait, run }
}
export type Outcomes = ReturnType<typeof createOutcomes>
