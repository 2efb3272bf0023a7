import { expect, onTestFinished, test } from 'vitest'
import { NO_STREAM, START, type Recorded } from '../../src/ports/event-store.ts'
import { readCheckpoint } from '../../src/projections/checkpoint.ts'
import { createReactionRunner } from '../../src/reactions/runner.ts'
import { happening } from '../contracts/event-store.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { eventually } from '../support/eventually.ts'
import { expectInOrder, gate } from '../support/subscriber.ts'

type Handle = (batch: readonly Recorded[]) => Promise<void>

/** A reaction that keeps what it was told, once it was handled. */
const startReaction = ({ pool, store, run }: TestLog, handle: Handle = async () => {}) => {
  const handled: Recorded[] = []
  const errors: unknown[] = []
  const stopping = new AbortController()
  const runner = createReactionRunner({
    pool,
    store,
    reaction: {
      name: 'test',
      handle: async (batch) => {
        await handle(batch)
        handled.push(...batch)
      },
    },
    onError: (error) => errors.push(error),
  })
  let stopped: Promise<void> | undefined
  run({ run: (signal) => (stopped = runner.run(AbortSignal.any([signal, stopping.signal]))) })
  const stop = async () => {
    stopping.abort()
    await stopped
  }
  return { handled, errors, status: runner.status, stop }
}
const append = ({ store }: TestLog, n: number) => store.append(`thing-${n}`, NO_STREAM, [happening(n)])
const numbersOf = (events: readonly Recorded[]) =>
  events.map(({ stream }) => Number(stream.slice('thing-'.length)))

test('everything is handled once and in order, what was there and what comes', async () => {
  const log = await testLog()
  for (const n of [1, 2]) await append(log, n)
  const { handled, status } = startReaction(log)
  await eventually(() => expect(handled).toHaveLength(2))
  const last = await append(log, 3)
  await eventually(() => expect(status()).toEqual({ name: 'test', position: last }))
  expect(numbersOf(handled)).toEqual([1, 2, 3])
  expectInOrder(handled)
})

test('what was handled is not told again after a restart', async () => {
  const log = await testLog()
  const first = startReaction(log)
  const position = await append(log, 1)
  await eventually(() => expect(first.handled).toHaveLength(1))
  await first.stop()
  expect(await readCheckpoint(log.pool, 'test')).toBe(position)
  await append(log, 2)
  const second = startReaction(log)
  await eventually(() => expect(second.handled).not.toEqual([]))
  expect(numbersOf(second.handled)).toEqual([2])
})

test('what was not handled to the end is told again after a restart', async () => {
  const log = await testLog()
  const { opened, open } = gate()
  let begun = 0
  const first = startReaction(log, () => (begun++, opened))
  await append(log, 1)
  await eventually(() => expect(begun).toBe(1))
  expect(await readCheckpoint(log.pool, 'test')).toBe(START)
  const second = startReaction(log)
  await eventually(() => expect(numbersOf(second.handled)).toEqual([1]))
  open()
  await first.stop()
})

test('a fault brings the same events again, is shown while it lasts, and holds the rest back', async () => {
  const log = await testLog()
  let isBroken = true
  const told: number[][] = []
  const { handled, errors, status } = startReaction(log, async (batch) => {
    told.push(numbersOf(batch))
    if (isBroken) throw new Error('no way')
  })
  for (const n of [1, 2, 3]) await append(log, n)
  await eventually(() => expect(told.length).toBeGreaterThanOrEqual(2))
  expect(status()).toEqual({ name: 'test', position: START, error: 'no way' })
  expect(handled).toEqual([])
  isBroken = false
  const last = await append(log, 4)
  await eventually(() => expect(status()).toEqual({ name: 'test', position: last }))
  for (const numbers of told) expect(numbers[0]).toBe(1)
  expect(numbersOf(handled)).toEqual([1, 2, 3, 4])
  expect(errors.length).toBeGreaterThanOrEqual(2)
})

test('a checkpoint that cannot be saved stops nothing', async () => {
  const log = await testLog()
  const { handled, errors } = startReaction(log)
  await append(log, 1)
  await eventually(async () => expect(await readCheckpoint(log.pool, 'test')).not.toBe(START))
  await log.pool.query('alter table checkpoint rename to away')
  await append(log, 2)
  await eventually(() => expect(errors).not.toEqual([]))
  await log.pool.query('alter table away rename to checkpoint')
  const last = await append(log, 3)
  await eventually(async () => expect(await readCheckpoint(log.pool, 'test')).toBe(last))
  expect(numbersOf(handled)).toEqual([1, 2, 3])
})

test('a checkpoint never goes back', async () => {
  const log = await testLog()
  const { opened, open } = gate()
  let begun = 0
  const slow = startReaction(log, () => (begun++, opened))
  await append(log, 1)
  await eventually(() => expect(begun).toBe(1))
  const quick = startReaction(log)
  const last = await append(log, 2)
  await eventually(async () => expect(await readCheckpoint(log.pool, 'test')).toBe(last))
  open()
  await slow.stop()
  await quick.stop()
  expect(await readCheckpoint(log.pool, 'test')).toBe(last)
})

test('one that runs again goes on from the stored checkpoint, wherever it was itself', async () => {
  const log = await testLog()
  let begun = 0
  const handled: number[] = []
  const runner = createReactionRunner({
    pool: log.pool,
    store: log.store,
    reaction: {
      name: 'test',
      begin: () => begun++,
      handle: async (batch) => void handled.push(...numbersOf(batch)),
    },
    onError: (error) => log.errors.push(error),
  })
  /** Lets it run until it has handled everything. */
  const runOnce = async () => {
    const stopping = new AbortController()
    const stopped = runner.run(stopping.signal)
    const stop = async () => {
      stopping.abort()
      await stopped
    }
    onTestFinished(stop)
    const head = await log.store.head()
    await eventually(() => expect(runner.status().position).toBe(head))
    await stop()
    expect(await readCheckpoint(log.pool, 'test')).toBe(head)
  }
  await append(log, 1)
  await runOnce()
  // Meanwhile another node works.
  await append(log, 2)
  const elsewhere = startReaction(log)
  await eventually(() => expect(numbersOf(elsewhere.handled)).toEqual([2]))
  await elsewhere.stop()
  await append(log, 3)
  await runOnce()
  expect(handled).toEqual([1, 3])
  expect(begun, 'what it remembers is forgotten each time').toBe(2)
})
