import { expect, onTestFinished, test } from 'vitest'
import { NO_STREAM, START, type Recorded } from '../../src/ports/event-store.ts'
import { readCheckpoint } from '../../src/projections/checkpoint.ts'
import { createLaneRunner, type LaneWork } from '../../src/reactions/lanes.ts'
import { happening } from '../contracts/event-store.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

/** `thing-a-1` is the first event of lane a; streams of another category are of no concern. */
const laneOf = ({ stream }: Recorded) => /^thing-(\w+)-/.exec(stream)?.[1]
const nameOf = ({ stream }: Recorded) => stream.slice('thing-'.length)

type Setting = { readonly atOnce?: number; readonly unfinishedMax?: number }

const startLanes = (
  { pool, store, run }: TestLog,
  handle: LaneWork['handle'] = async () => {},
  { atOnce = 10, unfinishedMax = 100 }: Setting = {},
) => {
  const [begun, handled]: [string[], string[]] = [[], []]
  const errors: unknown[] = []
  const stopping = new AbortController()
  const work: LaneWork = {
    name: 'test',
    laneOf,
    handle: async (event, ...rest) => {
      begun.push(nameOf(event))
      await handle(event, ...rest)
      handled.push(nameOf(event))
    },
  }
  const onError = (error: unknown) => void errors.push(error)
  const runner = createLaneRunner({ pool, store, work, atOnce, unfinishedMax, onError })
  let stopped: Promise<void> | undefined
  run({ run: (signal) => (stopped = runner.run(AbortSignal.any([signal, stopping.signal]))) })
  const stop = async () => {
    stopping.abort()
    await stopped
  }
  return { begun, handled, errors, status: runner.status, stop }
}
const append = async ({ store }: TestLog, ...names: string[]) => {
  let position = START
  for (const name of names) position = await store.append(`thing-${name}`, NO_STREAM, [happening(1)])
  return position
}
const checkpoint = ({ pool }: TestLog) => readCheckpoint(pool, 'test')

/** Holds the events that are named until they are let go. */
const holding = (...names: string[]) => {
  const gates = new Map(names.map((name) => [name, gate()]))
  return {
    handle: async (event: Recorded) => gates.get(nameOf(event))?.opened,
    letGo: (name: string) => gates.get(name)?.open(),
  }
}

test('those of one lane are handled in order, and a lane that is held up holds up no other', async () => {
  const log = await testLog()
  const { handle, letGo } = holding('a-1')
  const { begun, handled } = startLanes(log, handle)
  await append(log, 'a-1', 'a-2', 'b-1', 'a-3', 'b-2')
  await eventually(() => expect(handled).toEqual(['b-1', 'b-2']))
  expect(begun).toEqual(['a-1', 'b-1', 'b-2'])
  letGo('a-1')
  await eventually(() => expect(handled).toEqual(['b-1', 'b-2', 'a-1', 'a-2', 'a-3']))
})

test('the checkpoint never passes what is unfinished, and goes past what is of no concern', async () => {
  const log = await testLog()
  const { handle, letGo } = holding('b-1')
  const { handled, status } = startLanes(log, handle)
  const first = await append(log, 'a-1')
  await append(log, 'b-1', 'a-2')
  await eventually(() => expect(handled).toEqual(['a-1', 'a-2']))
  await eventually(async () => expect(await checkpoint(log)).toBe(first))
  await log.store.append('other-1', NO_STREAM, [happening(1)])
  await append(log, 'a-3')
  await eventually(() => expect(handled).toHaveLength(3))
  expect(status().position).toBe(first)
  expect(await checkpoint(log)).toBe(first)
  letGo('b-1')
  const last = await log.store.append('other-2', NO_STREAM, [happening(1)])
  await eventually(async () => expect(await checkpoint(log)).toBe(last))
})

test('after a crash, what was unfinished comes again, and nothing from before it', async () => {
  const log = await testLog()
  const { handle, letGo } = holding('b-1')
  const first = startLanes(log, handle)
  const position = await append(log, 'a-1')
  await append(log, 'b-1', 'a-2')
  await eventually(() => expect(first.handled).toEqual(['a-1', 'a-2']))
  await eventually(async () => expect(await checkpoint(log)).toBe(position))
  // Another program takes over while the first one hangs.
  const second = startLanes(log)
  await eventually(() => expect(second.handled.toSorted()).toEqual(['a-2', 'b-1']))
  letGo('b-1')
})

test('a stop waits for what has begun, begins nothing more, and loses nothing', async () => {
  const log = await testLog()
  const { handle, letGo } = holding('a-1')
  const first = startLanes(log, handle)
  await append(log, 'a-1', 'a-2')
  await eventually(() => expect(first.begun).toEqual(['a-1']))
  const stopped = first.stop()
  letGo('a-1')
  await stopped
  expect(first.begun).toEqual(['a-1'])
  const second = startLanes(log)
  await eventually(() => expect(second.handled).toEqual(['a-2']))
})

test('a fault brings the event again, is shown while it lasts, and holds up its own lane only', async () => {
  const log = await testLog()
  let isBroken = true
  const { begun, handled, errors, status } = startLanes(log, async (event) => {
    if (isBroken && nameOf(event) === 'a-1') throw new Error('no way')
  })
  await append(log, 'a-1', 'a-2', 'b-1')
  await eventually(() => expect(begun.filter((name) => name === 'a-1').length).toBeGreaterThan(1))
  expect(handled).toEqual(['b-1'])
  expect(status()).toEqual({ name: 'test', position: START, error: 'no way' })
  expect(errors.length).toBeGreaterThan(1)
  isBroken = false
  const last = await append(log, 'b-2')
  await eventually(() => expect(status()).toEqual({ name: 'test', position: last }))
  expect(handled.filter((name) => name.startsWith('a'))).toEqual(['a-1', 'a-2'])
})

test('no more are handled at once than there are places, but for those that stand aside', async () => {
  const log = await testLog()
  const { opened, open } = gate()
  let [working, most, aside] = [0, 0, 0]
  const { handled } = startLanes(
    log,
    async (event, _, standAside) => {
      if (nameOf(event).startsWith('slow')) {
        aside++
        await standAside(() => opened)
      }
      most = Math.max(most, ++working)
      await new Promise(setImmediate)
      working--
    },
    { atOnce: 2 },
  )
  await append(log, ...['1', '2', '3', '4'].map((n) => `slow${n}-1`))
  await append(log, ...['a', 'b', 'c', 'd', 'e'].map((lane) => `${lane}-1`))
  await eventually(() => expect(handled).toHaveLength(5))
  expect(aside).toBe(4)
  open()
  await eventually(() => expect(handled).toHaveLength(9))
  expect(most).toBe(2)
})

test('the log is not read on while too much of it is unfinished', async () => {
  const log = await testLog()
  const { handle, letGo } = holding('a-1', 'b-1', 'c-1')
  const { begun, handled } = startLanes(log, handle, { unfinishedMax: 2 })
  await append(log, 'a-1', 'b-1', 'c-1', 'd-1')
  await eventually(() => expect(begun).toEqual(['a-1', 'b-1']))
  letGo('b-1')
  await eventually(() => expect(begun).toEqual(['a-1', 'b-1', 'c-1']))
  letGo('a-1')
  await eventually(() => expect(handled).toEqual(['b-1', 'a-1', 'd-1']))
  letGo('c-1')
  await eventually(() => expect(handled).toHaveLength(4))
})

test('lanes that run again go on from the stored checkpoint, and forget what they had left unfinished', async () => {
  const log = await testLog()
  const begun: string[] = []
  let isBroken = true
  const work: LaneWork = {
    name: 'test',
    laneOf,
    handle: async (event) => {
      begun.push(nameOf(event))
      if (isBroken && nameOf(event).startsWith('a')) throw new Error('no way')
    },
  }
  const { pool, store } = log
  const runner = createLaneRunner({ pool, store, work, atOnce: 4, unfinishedMax: 2, onError: () => {} })
  const start = () => {
    const stopping = new AbortController()
    const stopped = runner.run(stopping.signal)
    const stop = async () => {
      stopping.abort()
      await stopped
    }
    onTestFinished(stop)
    return stop
  }
  const stop = start()
  await append(log, 'a-1', 'b-1', 'a-2', 'a-3')
  await eventually(() => expect(begun).toContain('b-1'))
  await eventually(() => expect(runner.status().error).toBe('no way'))
  await stop()
  expect(await checkpoint(log)).toBe(START)

  // Another node takes over, and finishes it.
  const elsewhere = startLanes(log)
  await eventually(() => expect(elsewhere.handled).toHaveLength(4))
  const there = await append(log, 'a-4')
  await eventually(async () => expect(await checkpoint(log)).toBe(there))
  await elsewhere.stop()

  isBroken = false
  begun.length = 0
  const stopAgain = start()
  const last = await append(log, 'a-5', 'b-2', 'c-1', 'a-6')
  await eventually(() => expect(runner.status()).toEqual({ name: 'test', position: last }))
  await stopAgain()
  expect(begun.toSorted()).toEqual(['a-5', 'a-6', 'b-2', 'c-1'])
  expect(await checkpoint(log)).toBe(last)
})
