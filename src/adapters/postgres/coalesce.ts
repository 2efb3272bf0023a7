type Call<T, R> = { readonly item: T; resolve(result: R): void; reject(error: unknown): void }

/**
 * Group commit: calls that come while a batch is under way leave together as the next one. `run` settles each item of
 * a batch in order; `fits` may keep an item for a later batch. Under load one round trip serves many callers; a single
 * caller waits for nobody.
 */
export const coalesce = <T, R>(options: {
  max: number
  fits?: (item: T, batch: readonly T[]) => boolean
  /** So many waiting calls are worth a second batch beside the one under way; without it, batches never overlap. */
  overlapFrom?: number
  run: (items: readonly T[]) => Promise<readonly PromiseSettledResult<R>[]>
}) => {
  let waiting: Call<T, R>[] = []
  let running = 0

  const takeBatch = () => {
    const batch: Call<T, R>[] = []
    const items: T[] = []
    const rest: Call<T, R>[] = []
    for (const call of waiting) {
      const fits = batch.length < options.max && (options.fits?.(call.item, items) ?? true)
      if (fits) items.push(call.item)
      ;(fits ? batch : rest).push(call)
    }
    waiting = rest
    return { batch, items }
  }

  const drain = async () => {
    while (waiting.length > 0) {
      const { batch, items } = takeBatch()
      try {
        const results = await options.run(items)
        batch.forEach((call, n) => {
          const result = results[n]
          if (result?.status === 'fulfilled') call.resolve(result.value)
          else call.reject(result?.reason ?? new Error('A batch left an item unanswered'))
        })
      } catch (error) {
        for (const call of batch) call.reject(error)
      }
    }
    running--
  }

  return (item: T): Promise<R> =>
    new Promise<R>((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      const overlaps = running === 1 && waiting.length >= (options.overlapFrom ?? Infinity)
      if (running > 0 && !overlaps) return
      running++
      queueMicrotask(() => void drain())
    })
}

export const fulfilled = <R>(value: R): PromiseFulfilledResult<R> => ({ status: 'fulfilled', value })
export const rejected = (reason: unknown): PromiseRejectedResult => ({ status: 'rejected', reason })
