import { expect, test } from 'vitest'
import { coalesce, fulfilled, rejected } from '../../src/adapters/postgres/coalesce.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

/** Doubles numbers, one batch at a time; the nth batch waits for the nth door, if there is one. */
const doubler = (
  options: {
    max?: number
    doors?: Promise<unknown>[]
    fits?: (n: number, batch: readonly number[]) => boolean
  } = {},
) => {
  const batches: (readonly number[])[] = []
  const call = coalesce<number, number>({
    max: options.max ?? 100,
    ...(options.fits && { fits: options.fits }),
    run: async (numbers) => {
      batches.push(numbers)
      await options.doors?.[batches.length - 1]
      return numbers.map((n) => fulfilled(n * 2))
    },
  })
  return { call, batches }
}

test('calls of one tick leave together, and each gets its own answer', async () => {
  const { call, batches } = doubler()
  expect(await Promise.all([1, 2, 3].map(call))).toEqual([2, 4, 6])
  expect(batches).toEqual([[1, 2, 3]])
})

test('calls that come while a batch is under way leave together as the next one', async () => {
  const { opened, open } = gate()
  const { call, batches } = doubler({ doors: [opened] })
  const first = call(1)
  await eventually(() => expect(batches).toHaveLength(1))
  const rest = [call(2), call(3)]
  expect(batches).toEqual([[1]])
  open()
  expect(await Promise.all([first, ...rest])).toEqual([2, 4, 6])
  expect(batches).toEqual([[1], [2, 3]])
})

test('a batch holds no more than allowed; the rest follows in order', async () => {
  const { call, batches } = doubler({ max: 2 })
  await Promise.all([1, 2, 3, 4, 5].map(call))
  expect(batches).toEqual([[1, 2], [3, 4], [5]])
})

test('what does not fit waits for a later batch and keeps its place among its like', async () => {
  const { call, batches } = doubler({ fits: (n, batch) => !batch.some((other) => other % 10 === n % 10) })
  await Promise.all([1, 11, 21, 2, 12].map(call))
  expect(batches).toEqual([[1, 2], [11, 12], [21]])
})

test('one after the other is one batch each: nobody waits for company', async () => {
  const { call, batches } = doubler()
  expect([await call(1), await call(2)]).toEqual([2, 4])
  expect(batches).toEqual([[1], [2]])
})

test('a batch that fails fails its own calls and no others', async () => {
  let runs = 0
  const call = coalesce<number, number>({
    max: 2,
    run: async (numbers) => {
      if (++runs === 1) throw new Error('no database')
      return numbers.map(fulfilled)
    },
  })
  expect(await Promise.allSettled([1, 2, 3].map(call))).toEqual([
    { status: 'rejected', reason: new Error('no database') },
    { status: 'rejected', reason: new Error('no database') },
    { status: 'fulfilled', value: 3 },
  ])
  expect(await call(4)).toBe(4)
})

test('one item may fail alone', async () => {
  const call = coalesce<number, number>({
    max: 10,
    run: async (numbers) => numbers.map((n) => (n === 2 ? rejected(new Error('not two')) : fulfilled(n))),
  })
  const [one, two, three] = await Promise.allSettled([1, 2, 3].map(call))
  expect([one, three]).toEqual([fulfilled(1), fulfilled(3)])
  expect(two).toEqual(rejected(new Error('not two')))
})

test('an item that its batch forgot is refused instead of waiting for ever', async () => {
  const call = coalesce<number, number>({ max: 10, run: async ([n = 0]) => [fulfilled(n)] })
  const [answered, forgotten] = await Promise.allSettled([1, 2].map(call))
  expect(answered).toEqual(fulfilled(1))
  expect(forgotten).toMatchObject({
    status: 'rejected',
    reason: { message: expect.stringContaining('unanswered') },
  })
})
