import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { followLive } from '../../src/adapters/eventstoredb/live.ts'
import { newId } from '../../src/domain/ids.ts'
import { START, type Recorded } from '../../src/ports/event-store.ts'
import { meta } from '../support/facts.ts'
import { eventually } from '../support/eventually.ts'

/** An event as the client reads it. */
const eventAt = (commit: bigint) => ({
  event: {
    id: newId(),
    streamId: 'thing-1',
    type: 'ThingHappened',
    revision: commit,
    isJson: true,
    data: {},
    metadata: meta,
    position: { commit, prepare: commit },
  },
})

/** A subscription that tells these events and then stands still, until it is ended. */
const standingStill = (...commits: bigint[]) => {
  const flow = new Readable({ objectMode: true, read: () => {} })
  for (const commit of commits) flow.push(eventAt(commit))
  return Object.assign(flow, { unsubscribe: () => Promise.resolve() })
}

test('a subscription that stands still while the log grows is begun anew after what it told', async () => {
  const begun: (bigint | undefined)[] = []
  const subscriptions = [standingStill(7n), standingStill(8n, 9n)]
  const told: (readonly [after: bigint, events: readonly Recorded[]])[] = []
  const errors: unknown[] = []
  const stopping = new AbortController()
  const following = followLive(
    {
      connection: {
        subscribe: (after) => {
          begun.push(after)
          return subscriptions.shift() ?? standingStill()
        },
      },
      prefix: '',
      head: () => Promise.resolve(10n),
      offer: (after, events) => void told.push([after, events]),
      onError: (error) => void errors.push(error),
      times: { lookMs: 20, graceMs: 20 },
    },
    START,
    stopping.signal,
  )
  const positions = () => told.flatMap(([, events]) => events.map(({ position }) => position))
  await eventually(() => expect(positions()).toEqual([8n, 9n, 10n]))
  stopping.abort()
  await following
  expect(begun.slice(0, 2)).toEqual([undefined, 7n])
  expect(told.map(([after]) => after).slice(0, 2)).toEqual([START, 8n])
  expect(errors[0]).toMatchObject({ message: expect.stringContaining('missed') })
})
