/** Lanes at once of an endpoint that does not answer: each of them is held until the time-out. */
const UNREACHABLE_CONCURRENCY = 2
/** One that was not tried again for so long is as any other: its deliveries are over, or it is gone. */
const UNREACHABLE_MS = 600_000

/** How many lanes may be taken. */
export type Room = {
  readonly lanes: number
  readonly perEndpoint: number
  /** Of endpoints for which it is not `perEndpoint`: fewer, or none. */
  readonly endpoints?: Readonly<Record<string, number>>
}

export type RoomSettings = {
  /** Lanes at once in this process, and of those to one endpoint. */
  readonly concurrency: number
  readonly endpointConcurrency: number
}

/** The lanes that are being delivered, and how many more there is room for. */
export const createRoom = ({ concurrency, endpointConcurrency }: RoomSettings) => {
  /** Lanes that are being delivered, by endpoint. */
  const busy = new Map<string, number>()
  /** Endpoints that gave no answer the last time, and when that is forgotten. */
  const unreachable = new Map<string, number>()
  let running = 0

  const count = (endpointId: string, change: 1 | -1) => {
    running += change
    const lanes = (busy.get(endpointId) ?? 0) + change
    if (lanes > 0) busy.set(endpointId, lanes)
    else busy.delete(endpointId)
  }

  const at = (endpointId: string) => {
    const max = unreachable.has(endpointId)
      ? Math.min(UNREACHABLE_CONCURRENCY, endpointConcurrency)
      : endpointConcurrency
    return Math.max(0, max - (busy.get(endpointId) ?? 0))
  }

  return {
    enter: (endpointId: string) => count(endpointId, 1),
    /** Answers whether nobody else had room meanwhile. */
    leave: (endpointId: string): boolean => {
      const wasFull = running >= concurrency || at(endpointId) === 0
      count(endpointId, -1)
      return wasFull
    },
    isEmpty: () => running === 0,
    isFull: () => running >= concurrency,

    /** Notes whether an endpoint answered. Answers whether there is more room for it than before. */
    note: (endpointId: string, isAnswer: boolean): boolean => {
      if (isAnswer) return unreachable.delete(endpointId)
      unreachable.set(endpointId, performance.now() + UNREACHABLE_MS)
      return false
    },
    left: (): Room => {
      for (const [id, until] of unreachable) if (until < performance.now()) unreachable.delete(id)
      const known = [...busy.keys(), ...unreachable.keys()]
      return {
        lanes: concurrency - running,
        perEndpoint: endpointConcurrency,
        endpoints: Object.fromEntries(known.map((id) => [id, at(id)])),
      }
    },
  }
}
