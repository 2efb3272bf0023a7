import { Refusal } from '../../domain/errors.ts'

/** Rejects with UNAVAILABLE if the promise takes longer; what it does goes on. */
export const within = async <T>(timeoutMs: number, promise: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const refusal = new Refusal('UNAVAILABLE', `The sandbox did not answer in ${timeoutMs} ms. Try again.`)
    timer = setTimeout(() => reject(refusal), timeoutMs)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
