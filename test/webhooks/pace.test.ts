import { expect, test } from 'vitest'
import { createPace } from '../../src/webhooks/pace.ts'
import { range } from '../support/range.ts'

/** What goes out by a clock that stands still but for the waiting: the time of each thing, in ms. */
const timesOf = (perSecond: number, portions: readonly number[], workMs = 0) => {
  let clock = 5000
  const pace = createPace(perSecond, () => clock)
  const times: number[] = []
  for (const count of portions) {
    clock += Math.max(0, pace(count))
    times.push(...range(count).map(() => clock - 5000))
    clock += workMs
  }
  return times
}
const ones = range(50).map(() => 1)

test('things go out evenly, so many in a second', () => {
  expect(timesOf(20, ones)).toEqual(range(50).map((n) => n * 50))
  expect(timesOf(1, [1, 1, 1])).toEqual([0, 1000, 2000])
  expect(timesOf(10, [5, 5, 2, 5])).toEqual([
    ...range(5).map(() => 0),
    ...range(5).map(() => 500),
    ...range(2).map(() => 1000),
    ...range(5).map(() => 1200),
  ])
})

test('at no time have more gone out than the rate allows for, but for one portion; what was late is not made up for', () => {
  const portions = range(60).map((n) => 1 + (n % 5))
  for (const workMs of [0, 10, 400])
    timesOf(20, portions, workMs).forEach((at, n) => expect(n - 5).toBeLessThanOrEqual((at * 20) / 1000))
  const late = timesOf(20, [1, 1, 1, 1], 10_000)
  expect(late).toEqual([0, 10_000, 20_000, 30_000])
  expect(timesOf(20, [5, 5, 5], 100)).toEqual([
    ...range(5).map(() => 0),
    ...range(5).map(() => 250),
    ...range(5).map(() => 500),
  ])
})
