export type Heart = {
  /** Aborts when the work has to end: after the signal, or when a heartbeat has failed. */
  readonly over: AbortSignal
  /** Throws the fault of a heartbeat, such as that the group goes on without this member. */
  throwIfLost(): void
  stop(): void
}

/**
 * Heartbeats beside the work, however long it takes: kafkajs sends them only when it is asked to, and no more of them
 * than its own interval allows.
 */
export const startHeart = (heartbeat: () => Promise<void>, everyMs: number, signal: AbortSignal): Heart => {
  const ending = new AbortController()
  const end = () => ending.abort()
  if (signal.aborted) end()
  else signal.addEventListener('abort', end, { once: true })

  let fault: { readonly error: unknown } | undefined
  let isUnderWay = false
  const beat = async () => {
    if (isUnderWay) return
    isUnderWay = true
    await heartbeat().catch((error: unknown) => {
      fault = { error }
      end()
    })
    isUnderWay = false
  }
  const timer = setInterval(() => void beat(), everyMs)
  return {
    over: ending.signal,
    throwIfLost: () => {
      if (fault) throw fault.error
    },
    stop: () => {
      clearInterval(timer)
      signal.removeEventListener('abort', end)
    },
  }
}
