/** A number of places: who finds none free waits, and gets the next one in turn. */
export const createPlaces = (count: number) => {
  let free = count
  const waiting: (() => void)[] = []

  const take = async (): Promise<void> => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
  }
  const give = () => {
    const next = waiting.shift()
    if (next) next()
    else free++
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
  return { take, give, within, isIdle: () => free === count }
}
export type Places = ReturnType<typeof createPlaces>
