import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { START, type Position, type Recorded } from '../../ports/event-store.ts'
import { APPENDED } from './event-log.sql.ts'

/** Newest events kept in memory, so that all subscribers of a process share one read and one parse. */
const KEPT = 2000
/** Looked for without a wake-up, in case a notification got lost. */
const POLL_MS = 1000
const RECONNECT_MS = 500

type Options = {
  readonly pool: Pool
  readonly readAll: (after: Position) => Promise<Recorded[]>
  readonly head: () => Promise<Position>
  /** Nobody else appends. */
  readonly alone: boolean
  readonly onError: (error: unknown) => void
}

/** The moving end of the log: woken by appends of this process, by notifications of others, and by a slow poll. */
export const createTail = ({ pool, readAll, head, alone, onError }: Options) => {
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
    reading ??= read()
      .then(
        () => 0,
        (error: unknown) => (onError(error), RECONNECT_MS),
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

  /** Events that this process has just appended. If nothing lies between, subscribers get them at once. */
  const offer = (head: Position, written: readonly Recorded[]) => {
    const last = written.at(-1)
    if (!last) return
    if (isFollowing && !reading && head === to) add(written)
    else wake(last.position)
  }

  const poll = async () => {
    while (!stop.signal.aborted) {
      await sleep(POLL_MS, undefined, { signal: stop.signal, ref: false }).catch(() => {})
      if (!stop.signal.aborted) refresh()
    }
  }

  const listen = async () => {
    while (!stop.signal.aborted) {
      let client: PoolClient | undefined
      try {
        client = await pool.connect()
        client.on('error', onError)
        client.on('notification', ({ payload }) => wake(BigInt(payload ?? 0)))
        await client.query(`listen ${APPENDED}`)
        await once(client, 'end', { signal: stop.signal })
      } catch (error) {
        if (!stop.signal.aborted) onError(error)
      }
      client?.release(true)
      if (!stop.signal.aborted) await sleep(RECONNECT_MS)
    }
  }

  let background: Promise<unknown> = Promise.resolve()
  const start = () =>
    (started ??= head().then((position) => {
      from = to = position
      isFollowing = true
      if (wanted > to) refresh()
      background = Promise.all([poll(), !alone && listen()])
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
  return { whileAppending, offer, subscribe, close }
}
