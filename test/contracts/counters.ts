import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Counters } from '../../src/ports/counters.ts'

export type CountersUnderTest = {
  /** Counters as each of the nodes has them; the same twice where there is but one node. */
  readonly nodes: readonly [Counters, Counters]
  stop(): Promise<unknown>
}

/** What counters do, wherever they count. */
export const countersContract = (name: string, start: () => Promise<CountersUnderTest>) =>
  describe(`the counters ${name}`, () => {
    let under: CountersUnderTest
    beforeAll(async () => {
      under = await start()
    })
    afterAll(() => under.stop())
    let made = 0
    const twoNodes = (windowSeconds: number) => {
      const counter = `counter ${++made}`
      const [here, there] = under.nodes
      // One node that is alone has each counter once.
      const first = here(counter, windowSeconds)
      return [first, here === there ? first : there(counter, windowSeconds)] as const
    }

    it('gives each of many that come at once its number, whichever node they come to', async () => {
      const nodes = twoNodes(60)
      const counts = await Promise.all(
        Array.from({ length: 60 }, (_, n) => nodes[n % 2 ? 1 : 0].add(n % 3 ? 'a' : 'b')),
      )
      const sorted = counts.map(({ count }) => count).toSorted((one, other) => one - other)
      const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1)
      expect(sorted).toEqual([...upTo(20), ...upTo(40)].toSorted((one, other) => one - other))
    })
    it('says when the window ends that began with the first', async () => {
      const [here, there] = twoNodes(60)
      const first = await here.add('a')
      const second = await there.add('a')
      expect(first.msToReset).toBeGreaterThan(50_000)
      expect(first.msToReset).toBeLessThanOrEqual(60_000)
      expect(second.msToReset).toBeLessThanOrEqual(first.msToReset)
    })
    it('begins anew when the window has ended', async () => {
      const [here, there] = twoNodes(1)
      expect((await here.add('a')).count).toBe(1)
      await expect.poll(async () => (await there.add('a')).count, { timeout: 5000 }).toBe(1)
    })
    it('takes back', async () => {
      const [here, there] = twoNodes(60)
      await here.add('a')
      await there.takeBack('a')
      expect((await here.add('a')).count).toBe(1)
    })
    it('counts by name', async () => {
      const [one] = twoNodes(60)
      const [other] = twoNodes(60)
      await one.add('a')
      expect((await other.add('a')).count).toBe(1)
    })
  })
