/** A number of places: who finds none free waits, and gets the next one in turn. */
export const createPlaces = (count: number) => {
  let free = count
  const waiting: (() => void)[] = []

  /** Rejects at the signal. */
  const take = async (signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted()
    if (free > 0) free--
    else
      await new Promise<void>((resolve, reject) => {
        const go = () => {
          signal?.removeEventListener('abort', giveUp)
          resolve()
        }
        const giveUp = () => {
          waiting.splice(waiting.indexOf(go), 1)
          reject(new Error('Nobody waits for this place any more'))
        }
        waiting.push(go)
        signal?.addEventListener('abort', giveUp, { once: true })
      })
  }
  const give = () => {
    const next = waiting.shift()
    if (next) next()
    else free++
  }
  /** As `take`; answers how to give it back, which counts once. */
  const enter = async (signal: AbortSignal): Promise<() => void> => {
    await take(signal)
    let isIn = true
    return () => {
      if (isIn) give()
      isIn = false
    }
  }
  /** Does something in a place of its own. */
  const within = async <T>(task: () => Promise<T>): Promise<T> => {
    await take()
    try {
      return await task()
    } finally {
      give()
    }
  }
  return { take, give, enter, within, isIdle: () => free === count }
}
export type Places = ReturnType<typeof createPlaces>
