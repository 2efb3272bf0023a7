import type { Bus, HandleEvents } from '../../ports/bus.ts'

/** The bus of a single process: an event counts as published once every subscriber has it safe. */
export const inProcessBus = (): Bus => {
  const subscribers: HandleEvents[] = []
  let published = 0
  return {
    publish: async (events) => {
      await Promise.all(subscribers.map((handle) => handle(events)))
      published += events.length
    },
    subscribe: (_group, handle) => {
      subscribers.push(handle)
    },
    // Nothing comes from elsewhere.
    run: () => Promise.resolve(),
    status: () => ({ published, deadLetters: 0, gaps: 0, lag: {} }),
  }
}
