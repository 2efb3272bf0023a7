export type Heart = {
  /** Aborts with the fault of a heartbeat, such as that the group goes on without this member. */
  readonly lost: AbortSignal
  stop(): void
}

/**
 * Heartbeats beside the work, however long it takes: kafkajs sends them only when it is asked to, and no more of them
 * than its own interval allows.
 */
export const startHeart = (heartbeat: () => Promise<void>, everyMs: number): Heart => {
  const losing = new AbortController()
  let isUnderWay = false
  const beat = async () => {
    if (isUnderWay) return
    isUnderWay = true
    await heartbeat().catch((error: unknown) => losing.abort(error))
    isUnderWay = false
  }
  const timer = setInterval(() => void beat(), everyMs)
  return { lost: losing.signal, stop: () => clearInterval(timer) }
}
