import type { Run } from './suite.ts'

/** So many callers, each with one operation at a time, until time is over. An operation answers its latency in ms. */
export const closedLoop = async (
  callers: number,
  seconds: number,
  operation: (caller: number) => Promise<number>,
): Promise<Run> => {
  const latenciesMs: number[] = []
  const startedAt = performance.now()
  const end = startedAt + seconds * 1000
  const work = async (caller: number) => {
    while (performance.now() < end) latenciesMs.push(await operation(caller))
  }
  await Promise.all(Array.from({ length: callers }, (_, caller) => work(caller)))
  return { operations: latenciesMs.length, seconds: (performance.now() - startedAt) / 1000, latenciesMs }
}

/** The same, with the time that the operation takes as its latency. */
export const timedLoop = (
  callers: number,
  seconds: number,
  operation: (caller: number) => Promise<unknown>,
) =>
  closedLoop(callers, seconds, async (caller) => {
    const startedAt = performance.now()
    await operation(caller)
    return performance.now() - startedAt
  })
