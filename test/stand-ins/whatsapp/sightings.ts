const PATIENCE_MS = 20_000

/** What was seen so far, oldest first, and what is still to come. */
export type Sightings<T> = {
  readonly all: readonly T[]
  readonly add: (seen: T) => void
  /** The first that fits, of those from index `from` on, or to come. Rejects when it takes too long. */
  readonly first: (fits: (seen: T) => boolean, from?: number) => Promise<T>
}

/** `what` names them in the error of a wait that is over. */
export const createSightings = <T>(what: string): Sightings<T> => {
  const all: T[] = []
  const waiting = new Set<(seen: T) => void>()
  return {
    all,
    add: (seen) => {
      all.push(seen)
      for (const look of [...waiting]) look(seen)
    },
    first: (fits, from = 0) => {
      const known = all.slice(from).find(fits)
      if (known) return Promise.resolve(known)
      return new Promise((resolve, reject) => {
        const look = (seen: T) => {
          if (!fits(seen)) return
          clearTimeout(timer)
          waiting.delete(look)
          resolve(seen)
        }
        const timer = setTimeout(() => {
          waiting.delete(look)
          reject(new Error(`No such ${what} in ${PATIENCE_MS} ms, among ${all.length} seen.`))
        }, PATIENCE_MS)
        waiting.add(look)
      })
    },
  }
}
