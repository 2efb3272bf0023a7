import type { EventStore } from '../ports/event-store.ts'

/** Does some work with a signal that tells when somebody wants it to stop: Ctrl-C, or an orderly end of the process. */
export const untilInterrupted = async <T>(work: (interrupted: AbortSignal) => Promise<T>): Promise<T> => {
  const interrupted = new AbortController()
  const stop = () => interrupted.abort(new Error('Interrupted.'))
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.once(signal, stop)
  try {
    return await work(interrupted.signal)
  } finally {
    for (const signal of signals) process.off(signal, stop)
  }
}

/** A log that is not read on once somebody wants it to stop: that throws the reason. */
export const interruptible = <Log extends Pick<EventStore, 'subscribeToAll'>>(
  log: Log,
  interrupted: AbortSignal,
): Log => ({
  ...log,
  async *subscribeToAll(...where: Parameters<EventStore['subscribeToAll']>) {
    for await (const batch of log.subscribeToAll(...where)) {
      interrupted.throwIfAborted()
      yield batch
    }
  },
})
