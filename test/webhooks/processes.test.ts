import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, expect, it, onTestFinished, vi } from 'vitest'
import { createWakeOthers } from '../../src/webhooks/wake-others.ts'
import { startReceiver, type Received } from '../support/receiver.ts'
import { incoming, startQueue, stopQueue } from './support.ts'
import { range } from '../support/range.ts'

afterAll(stopQueue)

const DELIVERER = join(import.meta.dirname, '../support/deliverer-process.ts')
const PATIENCE = { timeout: 40_000, interval: 20 }

type Deliverer = { readonly timeoutSeconds?: number; readonly concurrency?: number }

/** Processes that deliver from one database, and a receiver that they deliver to. */
const start = async (answer?: Parameters<typeof startReceiver>[0]) => {
  const queue = await startQueue()
  const receiver = await startReceiver(answer)
  onTestFinished(receiver.close)
  const instance = randomUUID()
  await queue.addEndpoint(instance, { url: receiver.url })
  const run = async ({ timeoutSeconds = 5, concurrency = 4 }: Deliverer = {}) => {
    const args = ['--import', 'tsx', DELIVERER, queue.url, String(timeoutSeconds), String(concurrency)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'close')
    const kill = async () => {
      child.kill('SIGKILL')
      await ended
    }
    onTestFinished(kill)
    await once(child.stdout, 'data')
    return { kill }
  }
  return { ...queue, receiver, run, message: (key: string, text?: string) => incoming(instance, key, text) }
}

const textOf = ({ data }: Received) => String(data['content'])
const allDone = (queue: Awaited<ReturnType<typeof start>>) =>
  vi.waitFor(async () => {
    for (const { open, really } of await queue.openCounts()) expect([open, really]).toEqual([0, 0])
  }, PATIENCE)

it('three processes of which some are killed deliver all, at first in the order of each conversation', async () => {
  const CONVERSATIONS = 12
  const EACH = 20
  let nth = 0
  const world = await start(() => ({ status: nth++ % 10 === 0 ? 503 : 200, delayMs: Math.random() * 10 }))
  const { run, fanOut, message, receiver } = world
  const keys = range(CONVERSATIONS).map(() => randomUUID())
  const processes = await Promise.all([run(), run(), run()])
  const textsOf = (n: number) => range(EACH).map((m) => `${n} ${m}`)

  const tell = async () => {
    for (const m of range(EACH)) {
      await fanOut(keys.map((key, n) => message(key, `${n} ${m}`)))
      await vi.waitFor(() => expect(receiver.received.length).toBeGreaterThan(m * 6), PATIENCE)
    }
  }
  const kill = async () => {
    for (const [n, one] of processes.entries()) {
      await vi.waitFor(() => expect(receiver.received.length).toBeGreaterThan(40 * (n + 1)), PATIENCE)
      await one.kill()
      await run()
    }
  }
  await Promise.all([tell(), kill()])
  await allDone(world)

  // Of what was received again, and may have been refused before, the first time counts.
  const texts = [...new Set(receiver.received.map(textOf))]
  for (const n of range(CONVERSATIONS))
    expect(texts.filter((text) => text.startsWith(`${n} `))).toEqual(textsOf(n))
})

it('takes over within seconds what a dead process was busy with, however long a post may take', async () => {
  // The first request hangs until its process is dead.
  const world = await start((_, nth) => ({ status: 200, delayMs: nth === 1 ? 600_000 : 0 }))
  const { run, fanOut, message, receiver } = world
  const [key, first] = [randomUUID(), await run({ timeoutSeconds: 300 })]
  await fanOut([message(key, 'one'), message(key, 'two')])
  await vi.waitFor(() => expect(receiver.received).toHaveLength(1), PATIENCE)
  await run({ timeoutSeconds: 300 })
  await first.kill()
  await allDone(world)
  expect(receiver.received.map(textOf)).toEqual(['one', 'one', 'two'])
})

it('leaves alone what another process is busy with for longer than a lease lasts', async () => {
  const world = await start((_, nth) => ({ status: 200, delayMs: nth === 1 ? 9000 : 0 }))
  const { run, fanOut, message, receiver } = world
  const key = randomUUID()
  await Promise.all([run({ timeoutSeconds: 30 }), run({ timeoutSeconds: 30 })])
  await fanOut([message(key, 'one'), message(key, 'two')])
  await allDone(world)
  expect(receiver.received.map(textOf)).toEqual(['one', 'two'])
})

it('shares lanes between processes as each has room', async () => {
  let underWay = 0
  let most = 0
  const world = await start(() => {
    most = Math.max(most, ++underWay)
    // So long that there is work left when the last process takes its first look, a second after the others.
    setTimeout(() => underWay--, 300)
    return { status: 200, delayMs: 300 }
  })
  const { run, fanOut, message } = world
  await Promise.all(range(3).map(() => run({ concurrency: 2 })))
  await fanOut(range(48).map(() => message(randomUUID())))
  await allDone(world)
  // More than two of them can have.
  expect(most).toBeGreaterThan(4)
  expect(most).toBeLessThanOrEqual(6)
})

it('wakes the others, and not itself, however much there is to tell', async () => {
  const { pool } = await startQueue()
  const ending = new AbortController()
  const woken: string[] = []
  const nodeNamed = (name: string) =>
    createWakeOthers({ pool, onWoken: () => woken.push(name), onError: () => {} })
  const [here, there] = [nodeNamed('here'), nodeNamed('there')]
  const listening = [here, there].map(({ listen }) => listen(ending.signal))
  const count = (name: string) => woken.filter((one) => one === name).length
  // Each looks once when it begins to listen.
  await expect.poll(() => [count('here'), count('there')]).toEqual([1, 1])
  for (const _ of range(100)) here.tell()
  await expect.poll(() => [count('here'), count('there')]).toEqual([1, 3])
  there.tell()
  await expect.poll(() => [count('here'), count('there')]).toEqual([2, 3])
  ending.abort()
  await Promise.all(listening)
})
