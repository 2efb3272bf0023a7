import { START, type Position, type Recorded } from '../ports/event-store.ts'

/** Newest events kept in memory, so that all subscribers of a process share one read and one parse. */
const KEPT = 2000
const RETRY_MS = 500

type Options = {
  /** Some of the events after a position, in order; none only if there are none. */
  readonly readAll: (after: Position) => Promise<readonly Recorded[]>
  readonly head: () => Promise<Position>
  /** Hears of what comes after a position, from others too, and wakes the tail or offers it, until the signal. */
  readonly watch: (from: Position, signal: AbortSignal) => Promise<unknown>
  readonly onError: (error: unknown) => void
}

/** The moving end of the log, shared by all subscribers of a process; those further behind read by themselves. */
export const createTail = ({ readAll, head, watch, onError }: Options) => {
  const stop = new AbortController()
  /** Woken when events arrive; renewed each time. */
  let waiting: (() => void)[] = []
  /** All events after `from` up to `to`, if any subscriber has started. */
  const events: Recorded[] = []
  let from: Position = START
  let to: Position = START
  let reading: Promise<void> | undefined
  let wanted: Position = START
  let started: Promise<void> | undefined
  /** Appends of this process that are under way. */
  let appending = 0
  /** Where the log ended is known; until then nothing may be taken in, or events would be missing in between. */
  let isFollowing = false

  const wakeAll = () => {
    const woken = waiting
    waiting = []
    for (const go of woken) go()
  }

  const add = (more: readonly Recorded[]) => {
    const last = more.at(-1)
    if (!last) return
    events.push(...more)
    to = last.position
    const surplus = events.length - KEPT
    if (surplus > 0) from = events.splice(0, surplus).at(-1)?.position ?? from
    wakeAll()
  }

  const read = async () => {
    for (;;) {
      const page = await readAll(to)
      add(page)
      if (page.length === 0 || to >= wanted) return
    }
  }

  const refresh = () => {
    // Whoever closes it waits for what is being read then, and for nothing that begins after.
    if (stop.signal.aborted) return
    reading ??= read()
      .then(
        () => 0,
        (error: unknown) => (onError(error), RETRY_MS),
      )
      .then((pauseMs) => {
        reading = undefined
        if (to < wanted && !stop.signal.aborted) setTimeout(refresh, pauseMs)
      })
  }

  const wake = (position: Position) => {
    if (position > wanted) wanted = position
    if (isFollowing && wanted > to && appending === 0) refresh()
  }

  /**
   * Runs an append of this process. Its notification may come before its answer, and is left alone until then: the
   * events are at hand and need not be read back.
   */
  const whileAppending = async <T>(append: () => Promise<T>): Promise<T> => {
    appending++
    try {
      return await append()
    } finally {
      appending--
      wake(wanted)
    }
  }

  /** Events that come right after a position. If that is the end of the tail, subscribers get them at once. */
  const offer = (head: Position, written: readonly Recorded[]) => {
    const last = written.at(-1)
    if (!last) return
    if (isFollowing && !reading && head === to) add(written)
    else wake(last.position)
  }

  let background: Promise<unknown> = Promise.resolve()
  const start = () =>
    (started ??= head().then((position) => {
      from = to = position
      isFollowing = true
      if (wanted > to) refresh()
      background = watch(position, stop.signal)
    }))

  /** Index of the first kept event after a position. */
  const indexAfter = (position: Position) => {
    let low = 0
    let high = events.length
    while (low < high) {
      const middle = (low + high) >> 1
      const event = events[middle]
      if (event && event.position <= position) low = middle + 1
      else high = middle
    }
    return low
  }

  async function* subscribe(after: Position, signal: AbortSignal): AsyncIterable<readonly Recorded[]> {
    await start().catch((error: unknown) => {
      started = undefined
      throw error
    })
    const isOver = () => signal.aborted || stop.signal.aborted
    // A listener of its own: a shared one would go with the first subscription that ends.
    const onAbort = () => wakeAll()
    signal.addEventListener('abort', onAbort, { once: true })
    let cursor = after
    try {
      while (!isOver()) {
        const batch = cursor < from ? await readAll(cursor) : events.slice(indexAfter(cursor))
        const last = batch.at(-1)
        if (last) {
          cursor = last.position
          yield batch
        } else if (!isOver()) await new Promise<void>((go) => waiting.push(go))
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  const close = async () => {
    stop.abort()
    wakeAll()
    await reading
    await background
  }
  return { whileAppending, wake, look: refresh, offer, end: () => to, subscribe, close }
}
