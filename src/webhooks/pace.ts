/**
 * Spreads things over time, so many in a second on average and none in advance: answers how long to wait, in ms, before
 * the next `count` of them. `now` is a clock in ms that never goes back.
 */
export const createPace = (perSecond: number, now: () => number) => {
  let free = now()
  return (count: number): number => {
    const at = Math.max(free, now())
    free = at + (count * 1000) / perSecond
    return at - now()
  }
}
