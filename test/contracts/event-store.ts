import { describe, expect, test } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import {
  NO_STREAM,
  START,
  WrongRevision,
  type EventStore,
  type NewEvent,
  type Position,
} from '../../src/ports/event-store.ts'
import { meta } from '../support/facts.ts'
import { expectInOrder, gate, startSubscriber } from '../support/subscriber.ts'
import { eventually } from '../support/eventually.ts'

export const happening = (n: number, more: object = {}): NewEvent => ({
  type: 'ThingHappened',
  data: { n, ...more },
  id: newId(),
  meta,
})
const happenings = (count: number) => Array.from({ length: count }, (_, n) => happening(n))

/** Appends at the end of a stream, wherever that is by now, however many others do the same. */
export const appendAtEnd = async (store: EventStore, stream: string, event: NewEvent) => {
  for (;;) {
    const revision = (await store.readStream(stream)).at(-1)?.revision ?? NO_STREAM
    try {
      return await store.append(stream, revision, [event])
    } catch (error) {
      if (!(error instanceof WrongRevision)) throw error
    }
  }
}

/** Appends until it is certain that the event is in the log, as a careful caller would; answers what failed meanwhile. */
export const appendSurely = async (store: EventStore, stream: string, event: NewEvent) => {
  const failures: unknown[] = []
  for (;;) {
    try {
      const present = await store.readStream(stream)
      if (!present.some(({ id }) => id === event.id))
        await store.append(stream, present.at(-1)?.revision ?? NO_STREAM, [event])
      return failures
    } catch (error) {
      failures.push(error)
    }
  }
}

/** What every event store holds to. `make` gives a store on an empty log that the test cleans up by itself. */
export const eventStoreContract = (name: string, make: () => Promise<EventStore>) =>
  describe(`event store: ${name}`, () => {
    describe('a stream', () => {
      test('reads back what was appended, whole and in order', async () => {
        const store = await make()
        const events = happenings(3)
        await store.append('thing-1', NO_STREAM, events.slice(0, 2))
        await store.append('thing-1', 1, events.slice(2))
        const read = await store.readStream('thing-1')
        expect(read.map(({ position: _position, ...event }) => event)).toEqual(
          events.map((event, revision) => ({ ...event, stream: 'thing-1', revision })),
        )
        expectInOrder(read)
      })

      test('is read from a revision on', async () => {
        const store = await make()
        await store.append('thing-1', NO_STREAM, happenings(5))
        expect((await store.readStream('thing-1', 3)).map(({ revision }) => revision)).toEqual([3, 4])
        expect(await store.readStream('thing-1', 5)).toEqual([])
      })

      test('that does not exist is empty', async () => {
        const store = await make()
        await store.append('thing-1', NO_STREAM, happenings(1))
        expect(await store.readStream('thing-2')).toEqual([])
      })

      test('keeps every character and number as it was', async () => {
        const store = await make()
        const data = {
          text: 'Olá 👋🏽 👩‍👩‍👧 שלום مرحبا 日本語 \u2028 "quotes" \\ \n\t \u007f ￿',
          number: 9_007_199_254_740_991,
          fraction: 0.1,
          nothing: null,
          nested: { list: [1, 'two', { three: true }], empty: [], 'a key': '' },
        }
        await store.append('thing-1', NO_STREAM, [happening(1, data)])
        const follower = startSubscriber(store)
        await follower.has(1)
        await follower.stop()
        expect((await store.readStream('thing-1'))[0]?.data).toEqual({ n: 1, ...data })
        expect(follower.events[0]?.data).toEqual({ n: 1, ...data })
      })
    })

    describe('an append', () => {
      test.each([
        ['of a stream that exists, as if it did not', NO_STREAM],
        ['at a revision that is over', 1],
        ['at a revision that is still to come', 3],
      ])('%s is refused and writes nothing', async (_name, expected) => {
        const store = await make()
        await store.append('thing-1', NO_STREAM, happenings(3))
        await expect(store.append('thing-1', expected, [happening(9)])).rejects.toThrow(WrongRevision)
        expect(await store.readStream('thing-1')).toHaveLength(3)
      })

      test('to a stream that does not exist, as if it did, is refused', async () => {
        const store = await make()
        await expect(store.append('thing-1', 0, [happening(1)])).rejects.toThrow(WrongRevision)
        expect(await store.readStream('thing-1')).toEqual([])
      })

      test('of several events is all or nothing, among many at the same time', async () => {
        const store = await make()
        const results = await Promise.allSettled(
          Array.from({ length: 20 }, (_, n) => store.append(`thing-${n % 4}`, NO_STREAM, happenings(3))),
        )
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(4)
        for (let n = 0; n < 4; n++) {
          const stream = await store.readStream(`thing-${n}`)
          expect(stream.map(({ data }) => data)).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }])
        }
      })

      test('answers the position of its last event', async () => {
        const store = await make()
        const position = await store.append('thing-1', NO_STREAM, happenings(3))
        expect((await store.readStream('thing-1')).at(-1)?.position).toBe(position)
        expect(await store.head()).toBe(position)
      })

      test('to the same stream in the same tick wins once', async () => {
        const store = await make()
        const results = await Promise.allSettled([
          store.append('thing-1', NO_STREAM, [happening(1)]),
          store.append('thing-1', NO_STREAM, [happening(2)]),
        ])
        expect(results).toEqual([
          { status: 'fulfilled', value: expect.anything() },
          { status: 'rejected', reason: expect.any(WrongRevision) },
        ])
      })

      test('in the same tick may follow one that it knows of', async () => {
        const store = await make()
        await Promise.all([
          store.append('thing-1', NO_STREAM, [happening(1)]),
          store.append('thing-1', 0, [happening(2)]),
        ])
        expect((await store.readStream('thing-1')).map(({ data }) => data)).toEqual([{ n: 1 }, { n: 2 }])
      })

      test('wins each revision exactly once, however many try', async () => {
        const store = await make()
        const events = happenings(24)
        await Promise.all(events.map((event) => appendAtEnd(store, 'thing-1', event)))
        const stream = await store.readStream('thing-1')
        expectInOrder(stream)
        expect(stream.map(({ id }) => id).toSorted()).toEqual(events.map(({ id }) => id).toSorted())
      })
    })

    describe('the whole log', () => {
      test('is empty at first', async () => {
        const store = await make()
        expect(await store.head()).toBe(START)
      })

      test('is caught up with, then followed', async () => {
        const store = await make()
        await store.append('thing-1', NO_STREAM, happenings(2))
        const follower = startSubscriber(store)
        await follower.has(2)
        await store.append('thing-2', NO_STREAM, happenings(2))
        await store.append('thing-1', 1, happenings(1))
        await follower.has(5)
        await follower.stop()
        expect(follower.events.map(({ stream, revision }) => `${stream}/${revision}`)).toEqual([
          'thing-1/0',
          'thing-1/1',
          'thing-2/0',
          'thing-2/1',
          'thing-1/2',
        ])
        expectInOrder(follower.events)
        const stored = [...(await store.readStream('thing-1')), ...(await store.readStream('thing-2'))]
        expect(follower.events).toEqual(stored.toSorted((a, b) => (a.position < b.position ? -1 : 1)))
      })

      test('is told from just after a position', async () => {
        const store = await make()
        await store.append('thing-1', NO_STREAM, happenings(4))
        const [, second] = await store.readStream('thing-1')
        const follower = startSubscriber(store, second?.position)
        await follower.has(2)
        await follower.stop()
        expect(follower.events.map(({ revision }) => revision)).toEqual([2, 3])
      })

      test('is told until the signal, and no longer', async () => {
        const store = await make()
        const [idle, busy] = [startSubscriber(store), startSubscriber(store)]
        await store.append('thing-1', NO_STREAM, happenings(1))
        await Promise.all([idle.has(1), busy.has(1)])
        await idle.stop()
        await store.append('thing-2', NO_STREAM, happenings(1))
        await busy.has(2)
        await busy.stop()
        expect(idle.events).toHaveLength(1)
      })

      test('that ends early leaves the others of its signal their end', async () => {
        const store = await make()
        const stopping = new AbortController()
        let told = 0
        const follow = async (untilFirst: boolean) => {
          for await (const batch of store.subscribeToAll(START, stopping.signal)) {
            told += batch.length
            if (untilFirst) return
          }
        }
        const staying = [follow(false), follow(false)]
        const leaving = follow(true)
        await store.append('thing-1', NO_STREAM, [happening(1)])
        await leaving
        await eventually(() => expect(told).toBe(3))
        stopping.abort()
        await Promise.all(staying)
      })
      test('is not told at all if the signal was first', async () => {
        const store = await make()
        await store.append('thing-1', NO_STREAM, happenings(1))
        const batches: unknown[] = []
        for await (const batch of store.subscribeToAll(START, AbortSignal.abort())) batches.push(batch)
        expect(batches).toEqual([])
      })

      test('reaches a subscriber that is far behind, whole and in order, and holds up no other', async () => {
        const store = await make()
        await store.append('first', NO_STREAM, happenings(1))
        const [quick, { opened, open }] = [startSubscriber(store), gate()]
        const slow: Position[] = []
        const total = 1 + 70 * 50
        const reading = (async () => {
          for await (const batch of store.subscribeToAll(START, AbortSignal.timeout(30_000))) {
            slow.push(...batch.map(({ position }) => position))
            if (slow.length >= total) break
            await opened
          }
        })()
        await quick.has(1)
        await Promise.all(
          Array.from({ length: 70 }, (_, n) => store.append(`thing-${n}`, NO_STREAM, happenings(50))),
        )
        await quick.has(total)
        expect(slow.length).toBeLessThan(total)
        open()
        await reading
        await quick.stop()
        expectInOrder(quick.events)
        expect(slow).toEqual(quick.events.map(({ position }) => position))
      })
    })
  })
