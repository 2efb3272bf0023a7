import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { Lease, Leases, Node } from '../../src/ports/leases.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

type Opened = { readonly leases: Leases; readonly node: Node; readonly errors: readonly unknown[] }

/** Work that goes on until its lease ends. */
export const untilEnded = (lease: Lease) =>
  new Promise<void>((done) => {
    if (lease.signal.aborted) done()
    else lease.signal.addEventListener('abort', () => done(), { once: true })
  })

/** What every adapter for leases does; `open` gives those of one node. */
export const leasesContract = (name: string, open: () => Promise<Opened>) =>
  describe(`leases of ${name}`, () => {
    let under: Opened
    let running: AbortController
    beforeEach(async () => {
      under = await open()
      running = new AbortController()
      setMaxListeners(0, running.signal)
      onTestFinished(() => running.abort())
    })
    const hold = (lease: string, work: (lease: Lease) => Promise<unknown>) =>
      under.leases.hold(lease, work, running.signal)
    const holderOf = (lease: string) => under.leases.holderOf(lease)

    it('are held while the work lasts, and are free when it has come to its end', async () => {
      const { opened, open: finish } = gate()
      const leases: Lease[] = []
      expect(await holderOf('work')).toBeUndefined()
      const held = hold('work', (lease) => (leases.push(lease), opened))
      await eventually(() => expect(leases).toHaveLength(1))
      expect(leases[0]).toMatchObject({ name: 'work', term: expect.any(Number) })
      expect(leases[0]?.signal.aborted).toBe(false)
      expect(await holderOf('work')).toEqual(under.node)
      expect(await holderOf('other')).toBeUndefined()
      finish()
      await held
      await eventually(async () => expect(await holderOf('work')).toBeUndefined())
      expect(leases).toHaveLength(1)
      expect(under.errors).toEqual([])
    })

    it('end with the signal, once the work has ended', async () => {
      const { opened, open: finish } = gate()
      let [begun, aborted, ended] = [false, false, false]
      const held = hold('work', async (lease) => {
        begun = true
        await untilEnded(lease)
        aborted = true
        await opened
        ended = true
      })
      await eventually(() => expect(begun).toBe(true))
      running.abort()
      await eventually(() => expect(aborted).toBe(true))
      expect(await holderOf('work'), 'held until the work has ended').toEqual(under.node)
      finish()
      await held
      expect(ended).toBe(true)
    })

    it('are not taken after the signal', async () => {
      running.abort()
      await hold('work', () => Promise.reject(new Error('was begun')))
      expect(under.errors).toEqual([])
    })

    it('are given back by work that fails, which is told and begun anew', async () => {
      let begun = 0
      await hold('work', () =>
        ++begun < 3 ? Promise.reject(new Error(`fault ${begun}`)) : Promise.resolve(),
      )
      expect(begun).toBe(3)
      expect(under.errors).toEqual([new Error('fault 1'), new Error('fault 2')])
    })

    it('say nothing of work that fails because it has to end', async () => {
      let begun = false
      const held = hold('work', async (lease) => {
        begun = true
        await untilEnded(lease)
        throw new Error('interrupted')
      })
      await eventually(() => expect(begun).toBe(true))
      running.abort()
      await held
      expect(under.errors).toEqual([])
    })

    it('of one name are held one after the other, also by one node', async () => {
      let [atOnce, most, done] = [0, 0, 0]
      const work = async () => {
        most = Math.max(most, ++atOnce)
        await new Promise(setImmediate)
        atOnce--
        done++
      }
      await Promise.all([hold('work', work), hold('work', work), hold('work', work)])
      expect([most, done]).toEqual([1, 3])
    })

    it('of many names are held beside each other', async () => {
      const names = Array.from({ length: 40 }, () => `instance-${randomUUID()}`)
      const holding = new Set<string>()
      const { opened, open: finish } = gate()
      const all = names.map((name) => hold(name, () => (holding.add(name), opened)))
      await eventually(() => expect(holding.size).toBe(40))
      const holders = await Promise.all(names.map(holderOf))
      expect(holders).toEqual(names.map(() => under.node))
      finish()
      await Promise.all(all)
    })
  })
