/** Waits for so long; what comes after it is nobody's any more. `late` says what is thrown then. */
export const within = async <T>(ms: number, result: Promise<T>, late: () => Error): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const isLate = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(late()), ms)
  })
  return Promise.race([result, isLate]).finally(() => clearTimeout(timer))
}
