import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Lets what comes gather: gives as many items at once as are allowed, or those that have come so long after the first of
 * them. Whoever gives them is never kept waiting for that.
 */
export async function* gathered<T>(
  open: (signal: AbortSignal) => AsyncIterable<readonly T[]>,
  signal: AbortSignal,
  { max, ms }: { readonly max: number; readonly ms: number },
): AsyncGenerator<readonly T[]> {
  // Whoever stops must not have to wait for what comes next, which is asked for already.
  const done = new AbortController()
  const iterator = open(AbortSignal.any([signal, done.signal]))[Symbol.asyncIterator]()
  const pull = () => {
    const pulled = iterator.next()
    // A fault is told when its turn comes.
    pulled.catch(() => {})
    return pulled
  }
  const items: T[] = []
  let timeUp: Promise<undefined> | undefined
  let next = pull()
  try {
    for (;;) {
      const result = await (timeUp ? Promise.race([next, timeUp]) : next)
      if (result && !result.done) {
        items.push(...result.value)
        next = pull()
      }
      while (items.length >= max) yield items.splice(0, max)
      const isOver = !result || result.done
      if (isOver && items.length > 0) yield items.splice(0)
      if (result?.done) return
      timeUp = items.length > 0 ? (timeUp ?? sleep(ms, undefined, { ref: false })) : undefined
    }
  } finally {
    done.abort()
    await iterator.return?.()
  }
}
