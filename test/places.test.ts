import { describe, expect, it } from 'vitest'
import { createPlaces } from '../src/places.ts'

describe('places', () => {
  const never = new AbortController().signal
  it('are for so many at once, and for the others in the order in which they came', async () => {
    const { enter } = createPlaces(2)
    const order: number[] = []
    const leaves = [await enter(never), await enter(never)]
    const waiting = [3, 4].map(async (n) => {
      const leave = await enter(never)
      order.push(n)
      return leave
    })
    expect(order).toEqual([])
    leaves[0]?.()
    leaves[0]?.()
    await waiting[0]
    expect(order).toEqual([3])
    leaves[1]?.()
    await Promise.all(waiting)
    expect(order).toEqual([3, 4])
  })
  it('nobody who gave up takes a place', async () => {
    const { enter } = createPlaces(1)
    const leave = await enter(never)
    const impatient = new AbortController()
    const gaveUp = enter(impatient.signal)
    const patient = enter(never)
    impatient.abort()
    await expect(gaveUp).rejects.toThrow()
    leave()
    await patient
  })
})
