import { setImmediate as soon } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Turns } from '../../src/ports/turns.ts'

/** How long the turns under test let anybody wait. */
export const WAIT_MS = 1000

export type TurnsUnderTest = {
  /** Turns as each of the nodes has them; the same twice where there is but one node. */
  readonly nodes: readonly [Turns, Turns]
  stop(): Promise<unknown>
}

/** A task that begins, and lasts until it is told to end. */
export const lasting = () => {
  let end = () => {}
  let begin = () => {}
  const begun = new Promise<void>((done) => (begin = done))
  const over = new Promise<void>((done) => (end = done))
  const task = async () => {
    begin()
    await over
  }
  return { task, begun, end: () => end() }
}

/** What turns do, whatever holds them. */
export const turnsContract = (name: string, start: () => Promise<TurnsUnderTest>) =>
  describe(`the turns ${name}`, () => {
    let under: TurnsUnderTest
    beforeAll(async () => {
      under = await start()
    })
    afterAll(() => under.stop())

    it('runs tasks of one key one after the other, whichever node they come to', async () => {
      let running = 0
      const seen: number[] = []
      const task = async () => {
        seen.push(++running)
        await soon()
        running--
      }
      await Promise.all(Array.from({ length: 40 }, (_, n) => under.nodes[n % 2 ? 1 : 0]('one', task)))
      expect(seen).toEqual(Array(40).fill(1))
    })
    it('lets a task see all that those before it did', async () => {
      let count = 0
      const addOne = async () => {
        const before = count
        await soon()
        count = before + 1
      }
      await Promise.all(Array.from({ length: 20 }, (_, n) => under.nodes[n % 2 ? 1 : 0]('count', addOne)))
      expect(count).toBe(20)
    })
    it('runs tasks of different keys beside each other', async () => {
      const [first, second] = [lasting(), lasting()]
      const both = [under.nodes[0]('a', first.task), under.nodes[1]('b', second.task)]
      await Promise.all([first.begun, second.begun])
      first.end()
      second.end()
      await Promise.all(both)
    })
    it('gives back what the task gives, and what it throws; the next one runs all the same', async () => {
      const [here, there] = under.nodes
      expect(await here('c', async () => 42)).toBe(42)
      await expect(here('c', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
      expect(await there('c', async () => 'next')).toBe('next')
    })
    it('refuses who waits for long, and never runs that task', async () => {
      const first = lasting()
      const holding = under.nodes[0]('d', first.task)
      await first.begun
      let ran = false
      const late = async () => void (ran = true)
      for (const inTurn of under.nodes)
        await expect(inTurn('d', late)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      first.end()
      await holding
      for (const inTurn of under.nodes) await inTurn('d', async () => {})
      expect(ran).toBe(false)
    })
    it('serves more keys at once than it can hold, one after the other', async () => {
      const keys = Array.from({ length: 60 }, (_, n) => `many ${n % 30}`)
      const answers = await Promise.all(
        keys.map((key, n) => under.nodes[n % 2 ? 1 : 0](key, async () => (await soon(), n))),
      )
      expect(answers).toEqual(keys.map((_, n) => n))
    })
  })
