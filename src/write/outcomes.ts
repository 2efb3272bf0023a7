import { setTimeout as sleep } from 'node:timers/promises'
import { upcast } from '../domain/catalogue.ts'
import { idOfStream } from '../domain/decider.ts'
import type { MessageEvent } from '../domain/message.ts'
import type { EventStore, Recorded } from '../ports/event-store.ts'

const RETRY_MS = 200

export type Outcome = Recorded<Extract<MessageEvent, { type: 'MessageSent' | 'MessageFailed' }>>
const isOutcome = (event: Recorded): event is Outcome =>
  event.type === 'MessageSent' || event.type === 'MessageFailed'

/**
 * Lets a request wait for the outcome of a send, whichever process does the sending: the log tells. An outcome that
 * was written before the wait began is not seen; begin before queueing.
 */
export const createOutcomes = (store: EventStore, onError: (error: unknown) => void) => {
  const waiting = new Map<string, Set<(outcome: Outcome) => void>>()

  const wait = (messageId: string, timeoutMs: number) => {
    const waiters = waiting.get(messageId) ?? new Set()
    waiting.set(messageId, waiters)
    let settle: (outcome: Outcome | undefined) => void = () => {}
    const outcome = new Promise<Outcome | undefined>((resolve) => (settle = resolve))
    const timer = setTimeout(() => end(undefined), timeoutMs)
    const end = (event: Outcome | undefined) => {
      clearTimeout(timer)
      waiters.delete(end)
      if (waiters.size === 0) waiting.delete(messageId)
      settle(event)
    }
    waiters.add(end)
    /** The event that settles it; undefined after the time-out or once given up. */
    return { outcome, giveUp: () => end(undefined) }
  }

  const follow = async (signal: AbortSignal) => {
    for await (const batch of store.subscribeToAll(await store.head(), signal))
      for (const event of batch)
        if (isOutcome(event))
          for (const end of waiting.get(idOfStream(event.stream)) ?? []) end(upcast(event))
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
