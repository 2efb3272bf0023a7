/** Lets so many in at once; each of the others waits for one to leave. What comes in answers how it leaves, once. */
export const createTurnstile = (places: number) => {
  let free = places
  const waiting: (() => void)[] = []
  const leave = () => {
    const next = waiting.shift()
    if (next) next()
    else free += 1
  }
  const leaving = () => {
    let isIn = true
    return () => {
      if (isIn) leave()
      isIn = false
    }
  }

  /** Rejects at the signal. */
  return (signal: AbortSignal): Promise<() => void> => {
    signal.throwIfAborted()
    if (free > 0) {
      free -= 1
      return Promise.resolve(leaving())
    }
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', giveUp)
        resolve(leaving())
      }
      const giveUp = () => {
        waiting.splice(waiting.indexOf(enter), 1)
        reject(new Error('Nobody waits for this place any more'))
      }
      waiting.push(enter)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }
}
export type Turnstile = ReturnType<typeof createTurnstile>
