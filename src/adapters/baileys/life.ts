import { connectionLost } from './failures.ts'
import type { Ending } from './reconnect.ts'

export type Ended = Ending & { readonly openForMs: number }

/** Whether a socket is open or over, and the timers that end with it. */
export const createLife = () => {
  let openedAt: number | undefined
  let isClosing = false
  let isOver = false
  let expecting: NodeJS.Timeout | undefined
  const timers: NodeJS.Timeout[] = []
  const losing = new Set<() => void>()
  let resolve: (ended: Ended) => void
  const ended = new Promise<Ended>((done) => {
    resolve = done
  })
  return {
    ended,
    isOver: () => isOver,
    isOpen: () => openedAt !== undefined && !isClosing && !isOver,
    open: () => {
      openedAt = performance.now()
    },
    close: () => {
      isClosing = true
    },
    after: (ms: number, act: () => void) => {
      if (!isOver) timers.push(setTimeout(act, ms))
    },
    every: (ms: number, act: () => void) => {
      if (!isOver) timers.push(setInterval(act, ms))
    },
    /** Something has to come in time. */
    expect: (ms: number, late: () => void) => {
      clearTimeout(expecting)
      if (!isOver) expecting = setTimeout(late, ms)
    },
    came: () => clearTimeout(expecting),
    /** What is under way at the end has no answer any more. */
    orLost: <T>(call: Promise<T>): Promise<T> =>
      new Promise((answer, fail) => {
        const lose = () => fail(connectionLost())
        losing.add(lose)
        void call.then(answer, fail).finally(() => losing.delete(lose))
      }),
    /** The first reason counts. */
    finish: (ending: Ending) => {
      if (isOver) return
      isOver = true
      clearTimeout(expecting)
      for (const timer of timers) clearTimeout(timer)
      for (const lose of losing) lose()
      resolve({ ...ending, openForMs: openedAt === undefined ? 0 : performance.now() - openedAt })
    },
  }
}
export type Life = ReturnType<typeof createLife>
