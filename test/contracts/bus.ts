import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { PublicEvent } from '../../src/domain/public-events.ts'
import { bodyFields } from '../../src/domain/public-events.ts'
import type { Bus, HandleEvents } from '../../src/ports/bus.ts'
import { everyPublicEvent, received } from '../support/public-events.ts'
import { eventually } from '../support/eventually.ts'

export type BusUnderTest = {
  /** A bus on a node of its own, on the same topics; the same bus again where there is but one node. */
  node(): Bus
  stop(): Promise<unknown>
}
type Abilities = {
  /** Events are kept for those who come later, and shared among nodes. */
  readonly keeps: boolean
}

/** For as long as a broker may take to come back. */
const patiently = <T>(expectation: () => T | Promise<T>) =>
  vi.waitFor(expectation, { timeout: 40_000, interval: 20 })

/** Publishes as the relay does: what was refused is published again. */
export const publish = (bus: Pick<Bus, 'publish'>, events: readonly PublicEvent[]) =>
  patiently(() => bus.publish(events))

/** A subscriber that keeps what it is given, after `before` has let it. */
export const subscriber = (bus: Bus, group: string, before: HandleEvents = async () => {}) => {
  const events: PublicEvent[] = []
  bus.subscribe(group, async (batch) => {
    await before(batch)
    events.push(...batch)
  })
  return {
    events,
    has: (sent: readonly PublicEvent[]) =>
      patiently(() => expect(ids(events)).toEqual(expect.arrayContaining(ids(sent)))),
  }
}
const ids = (events: readonly PublicEvent[]) => events.map(({ id }) => id)

/** Runs the bus until `stop`, or the end of the test. */
export const running = (bus: Bus) => {
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal)
  const ended = bus.run(stopping.signal)
  const stop = async () => {
    stopping.abort()
    await ended
  }
  onTestFinished(stop)
  return { stop }
}

/** `perKey` events of each of some keys, in turn. */
export const conversations = (keys: number, perKey: number): PublicEvent[] => {
  const names = Array.from({ length: keys }, () => randomUUID())
  return Array.from({ length: perKey }, (_, n) => names.map((key) => received(key, String(n)))).flat()
}

/** The first time that each event came, all are there, those of one key in the order in which they were published. */
export const expectInOrder = (events: readonly PublicEvent[], sent: readonly PublicEvent[]) => {
  const byKey = (list: readonly PublicEvent[]) => {
    const found: Record<string, string[]> = {}
    for (const { key, id } of list) (found[key] ??= []).push(id)
    return found
  }
  const first = new Map(events.map((event) => [event.id, event] as const))
  expect(byKey([...first.values()])).toEqual(byKey(sent))
}

/** What every bus does, whatever it is made of. */
export const busContract = (name: string, start: () => Promise<BusUnderTest>, { keeps }: Abilities) =>
  describe(`the bus ${name}`, () => {
    const begin = async () => {
      const under = await start()
      onTestFinished(async () => void (await under.stop()))
      return under
    }

    it('brings every event, those of one key in order', async () => {
      const bus = (await begin()).node()
      const { events, has } = subscriber(bus, 'webhooks')
      running(bus)
      const sent = conversations(20, 60)
      for (let from = 0; from < sent.length; from += 100) await publish(bus, sent.slice(from, from + 100))
      await has(sent)
      expectInOrder(events, sent)
    })

    it('brings every type as it was published, so that the body of a webhook is the same to the byte', async () => {
      const bus = (await begin()).node()
      const { events, has } = subscriber(bus, 'webhooks')
      running(bus)
      const sent = Object.values(everyPublicEvent())
      await publish(bus, sent)
      await has(sent)
      for (const event of sent) {
        const came = events.find(({ id }) => id === event.id)
        expect({ ...came, at: event.at }).toEqual(event)
        expect(came && JSON.stringify(bodyFields(came))).toBe(JSON.stringify(bodyFields(event)))
      }
    })

    it('gives events again to a subscriber that failed, and passes none over', async () => {
      const bus = (await begin()).node()
      let failures = 0
      const { events, has } = subscriber(bus, 'webhooks', async () => {
        // A fault of the program itself must not end the subscription either.
        if (failures++ < 3) throw failures === 1 ? new TypeError('a bug') : new Error('the database is away')
      })
      running(bus)
      const sent = conversations(1, 50)
      await publish(bus, sent)
      await has(sent)
      expect(failures).toBeGreaterThan(3)
      expectInOrder(events, sent)
    })

    it('brings each group all events', async () => {
      const bus = (await begin()).node()
      const [webhooks, audit] = [subscriber(bus, 'webhooks'), subscriber(bus, 'audit')]
      running(bus)
      const sent = conversations(5, 5)
      await publish(bus, sent)
      await Promise.all([webhooks.has(sent), audit.has(sent)])
    })

    it('counts what it has published', async () => {
      const bus = (await begin()).node()
      await publish(bus, conversations(2, 3))
      expect(bus.status()).toMatchObject({ published: 6, deadLetters: 0 })
      expect(bus.status().error).toBeUndefined()
    })

    it.runIf(keeps)('keeps what was published before the first subscriber came', async () => {
      const under = await begin()
      const sent = conversations(5, 20)
      await publish(under.node(), sent)
      const bus = under.node()
      const { events, has } = subscriber(bus, 'webhooks')
      running(bus)
      await has(sent)
      expectInOrder(events, sent)
    })

    it.runIf(keeps)('goes on at another node where one has stopped', async () => {
      const under = await begin()
      const [first, second] = [under.node(), under.node()]
      const [one, other] = [subscriber(first, 'webhooks'), subscriber(second, 'webhooks')]
      const { stop } = running(first)
      const [before, after] = [conversations(5, 20), conversations(5, 20)]
      await publish(first, before)
      await one.has(before)
      await stop()
      await publish(second, after)
      running(second)
      await other.has(after)
      expectInOrder(one.events, before)
      expectInOrder(
        other.events.filter(({ id }) => !ids(before).includes(id)),
        after,
      )
    })

    it.runIf(keeps)('shares the events of one group among its nodes', async () => {
      const under = await begin()
      const [first, second] = [under.node(), under.node()]
      const [one, other] = [subscriber(first, 'webhooks'), subscriber(second, 'webhooks')]
      for (const bus of [first, second]) running(bus)
      const sent: PublicEvent[] = []
      // Until both have been given some: it takes the nodes a moment to share the partitions.
      await eventually(async () => {
        const more = conversations(10, 1)
        sent.push(...more)
        await first.publish(more)
        expect(Math.min(one.events.length, other.events.length)).toBeGreaterThan(0)
      })
      const shared = conversations(20, 10)
      await publish(first, shared)
      await eventually(() =>
        expect(ids([...one.events, ...other.events])).toEqual(
          expect.arrayContaining(ids([...sent, ...shared])),
        ),
      )
      const count = (events: readonly PublicEvent[]) =>
        events.filter(({ id }) => ids(shared).includes(id)).length
      expect(count(one.events)).toBeGreaterThan(0)
      expect(count(other.events)).toBeGreaterThan(0)
    })
  })
