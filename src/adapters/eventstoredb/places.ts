import { Late } from './attempts.ts'

/** Does it the first time only. */
export const once = (task: () => void) => {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    task()
  }
}

/** A number of places, given in the order in which they are asked for. */
export const createPlaces = (count: number) => {
  let free = count
  const waiting: (() => void)[] = []

  const giver = () =>
    once(() => {
      const next = waiting.shift()
      if (next) next()
      else free++
    })

  /** Waits for a place, so long at most; answers how to give it back. */
  const take = async (ms: number): Promise<() => void> => {
    if (free > 0) {
      free--
      return giver()
    }
    await new Promise<void>((go, fail) => {
      const turn = () => {
        clearTimeout(timer)
        go()
      }
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(turn), 1)
        fail(new Late(`There was no place for an append within ${Math.round(ms)} ms`))
      }, ms)
      waiting.push(turn)
    })
    return giver()
  }

  return { take }
}
