import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { afterAll, describe, expect, it, vi } from 'vitest'
import type { PublicEvent } from '../../src/domain/public-events.ts'
import { createDeliveries } from '../../src/webhooks/deliveries.ts'
import { createFanOut } from '../../src/webhooks/fan-out.ts'
import type { Lane, WebhookQueue } from '../../src/webhooks/queue.ts'
import { scrubWebhooks } from '../../src/webhooks/scrub.ts'
import {
  allDelivered,
  attemptAt,
  connected,
  everything,
  inAnHour,
  incoming,
  startQueue,
  stopQueue,
} from './support.ts'

afterAll(stopQueue)

const WAIT_MS = 10_000
const instance = randomUUID()
const conversation = randomUUID()
const message = (text = 'hello') => incoming(instance, conversation, text)
const messages = (count: number, key: string = conversation): PublicEvent[] =>
  Array.from({ length: count }, (_, n) => incoming(instance, key, `message ${n}`))

const only = <T>(list: readonly T[]): T => {
  const [first] = list
  if (first === undefined || list.length !== 1) throw new Error(`Expected one, not ${list.length}`)
  return first
}
const idsIn = (lanes: readonly Lane[]) =>
  lanes.flatMap(({ deliveries }) => deliveries.map(({ event_id }) => event_id))
const isGone = { open: 0, really: 0 }

/** Takes what is due and delivers it until nothing is. Answers the events in the order of delivery. */
const deliverAll = async (queue: WebhookQueue): Promise<string[]> => {
  const lanes = await queue.claim(everything)
  if (lanes.length === 0) return []
  await queue.release(lanes.map(allDelivered))
  return [...idsIn(lanes), ...(await deliverAll(queue))]
}

describe('fan-out', () => {
  it('adds one delivery per event and endpoint, however often and by however many it is told', async () => {
    const { addEndpoint, fanOut, worker, pool, openCounts } = await startQueue()
    await Promise.all([addEndpoint(instance), addEndpoint(instance)])
    const events = messages(30)
    await Promise.all([fanOut(events), fanOut(events.slice(0, 20)), fanOut(events.slice(10))])
    await fanOut(events)
    const { rows } = await pool.query('select count(*) from webhook_delivery')
    expect(rows).toEqual([{ count: 60 }])
    expect(await openCounts()).toEqual([
      { open: 30, really: 30 },
      { open: 30, really: 30 },
    ])
    expect((await deliverAll(worker())).toSorted()).toEqual(events.flatMap(({ id }) => [id, id]).toSorted())
  })

  it('adds nothing for an event that was delivered already', async () => {
    const { addEndpoint, fanOut, worker } = await startQueue()
    await addEndpoint(instance)
    const event = message()
    await fanOut([event])
    expect(await deliverAll(worker())).toEqual([event.id])
    await fanOut([event])
    expect(await deliverAll(worker())).toEqual([])
  })

  it('gives an endpoint only what it subscribed to, under the name that it subscribed to', async () => {
    const { addEndpoint, fanOut, worker } = await startQueue()
    const first = await addEndpoint(instance, { events: ['message.incoming'] })
    const second = await addEndpoint(instance, { events: ['connection.update', 'message.received'] })
    const third = await addEndpoint(instance)
    await addEndpoint(instance, { events: ['message.status'] })
    await addEndpoint(randomUUID())
    await fanOut([message(), connected(instance)])
    const lanes = await worker().claim(everything)
    const got = lanes
      .flatMap(({ endpointId, deliveries }) =>
        deliveries.map(({ event, body }) => ({ endpointId, event, inBody: JSON.parse(body).event })),
      )
      .toSorted((a, b) => (a.event < b.event ? -1 : 1))
    expect(got).toHaveLength(5)
    expect(got).toEqual(
      expect.arrayContaining([
        { endpointId: first, event: 'message.incoming', inBody: 'message.incoming' },
        { endpointId: second, event: 'connection.update', inBody: 'connection.update' },
        { endpointId: second, event: 'message.received', inBody: 'message.received' },
        { endpointId: third, event: 'instance.connected', inBody: 'instance.connected' },
        { endpointId: third, event: 'message.received', inBody: 'message.received' },
      ]),
    )
  })

  it('makes a body that parsing and stringifying leaves as it is, whatever the text holds', async () => {
    const { addEndpoint, fanOut, worker } = await startQueue()
    await addEndpoint(instance)
    const text = 'a "quote", a \\, NUL \0, half a pair \ud83d, \u2028, ação 👍\n'
    await fanOut([message(text)])
    const { body } = only(only(await worker().claim(everything)).deliveries)
    expect(JSON.stringify(JSON.parse(body))).toBe(body)
    expect(JSON.parse(body).data.content).toBe(text)
  })

  it('adds nothing for an inactive endpoint, which keeps what it has open', async () => {
    const { addEndpoint, switchEndpoint, fanOut, worker } = await startQueue()
    const endpoint = await addEndpoint(instance)
    const queue = worker()
    const [before, meanwhile, after] = [message(), message(), message()]
    await fanOut([before])
    await switchEndpoint(endpoint, false)
    await fanOut([meanwhile])
    expect(await queue.claim(everything)).toEqual([])
    await switchEndpoint(endpoint, true)
    await fanOut([after])
    expect(await deliverAll(queue)).toEqual([before.id, after.id])
  })
})

describe('a lane', () => {
  it('gives its deliveries in the order of the events, to one owner at a time', async () => {
    const { addEndpoint, fanOut, worker } = await startQueue()
    await addEndpoint(instance)
    const events = messages(35)
    await fanOut(events.slice(0, 5))
    const queue = worker()
    const lanes = await queue.claim(everything)
    await fanOut(events.slice(5))
    expect(await worker().claim(everything)).toEqual([])
    expect(await queue.release(lanes.map(allDelivered))).toBe(true)
    expect([...idsIn(lanes), ...(await deliverAll(worker()))]).toEqual(events.map(({ id }) => id))
  })

  it('waits behind a delivery that is tried again later, while other lanes go on', async () => {
    const { addEndpoint, fanOut, worker, pool } = await startQueue()
    await addEndpoint(instance)
    const events = messages(3)
    await fanOut(events)
    const queue = worker()
    const lane = only(await queue.claim(everything))
    const [first] = lane.deliveries
    if (!first) throw new Error('The lane is empty')
    expect(await queue.release([{ lane, attempts: [attemptAt(first, { nextAt: inAnHour() })] }])).toBe(false)
    const other = incoming(instance, randomUUID())
    const late = message()
    await fanOut([late, other])
    expect(await deliverAll(queue)).toEqual([other.id])

    await pool.query(`update webhook_lane set due_at = now()`)
    expect(only(await worker(0).claim(everything)).deliveries[0]).toMatchObject({ attempts: 1 })
    expect(await deliverAll(queue)).toEqual([...events, late].map(({ id }) => id))
  })

  it('goes on after a delivery that is dead', async () => {
    const { addEndpoint, fanOut, worker, deliveries, openCounts } = await startQueue()
    await addEndpoint(instance)
    const [first, second] = [message(), message()]
    await fanOut([first, second])
    const queue = worker()
    const lane = only(await queue.claim(everything))
    const [dead] = lane.deliveries
    if (!dead) throw new Error('The lane is empty')
    expect(await queue.release([{ lane, attempts: [attemptAt(dead, { dead: true })] }])).toBe(true)
    expect(await deliverAll(queue)).toEqual([second.id])
    expect(await deliveries.find(dead.id)).toMatchObject({ state: 'dead', next_attempt_at: null })
    expect(await openCounts()).toEqual([isGone])
  })

  it('rests when nothing on it could be tried', async () => {
    const { addEndpoint, fanOut, worker } = await startQueue()
    await addEndpoint(instance)
    await fanOut([message()])
    const queue = worker()
    const lane = only(await queue.claim(everything))
    expect(await queue.release([{ lane, attempts: [], restsUntil: inAnHour() }])).toBe(false)
    expect(await queue.claim(everything)).toEqual([])
  })

  it('counts what is added while it is given back', async () => {
    const { addEndpoint, fanOut, worker, pool, openCounts } = await startQueue()
    await addEndpoint(instance)
    await fanOut(messages(2))
    const queue = worker()
    const lane = only(await queue.claim(everything))
    const other = await startTransaction(pool)
    const late = message()
    await createFanOut({ pool: other.client })([late])
    const released = queue.release([allDelivered(lane)])
    await other.isWaitedFor()
    await other.commit()
    expect(await released).toBe(true)
    expect(await openCounts()).toEqual([{ open: 1, really: 1 }])
    expect(await deliverAll(queue)).toEqual([late.id])
  })
})

describe('a lease', () => {
  it('that ran out is taken over, and what its old owner delivered counts once', async () => {
    const { addEndpoint, fanOut, worker, openCounts } = await startQueue()
    await addEndpoint(instance)
    await fanOut(messages(2))
    const [slow, quick] = [worker(0), worker()]
    const old = only(await slow.claim(everything))
    const taken = only(await quick.claim(everything))
    expect(taken.deliveries).toEqual(old.deliveries)
    await slow.release([allDelivered(old)])
    expect(await openCounts()).toEqual([isGone])
    await quick.release([allDelivered(taken)])
    expect(await openCounts()).toEqual([isGone])
  })

  it('is not ended by the one who lost it, even within one process', async () => {
    const { addEndpoint, fanOut, worker, pool } = await startQueue()
    await addEndpoint(instance)
    const [first, second] = [message(), message()]
    await fanOut([first])
    const queue = worker()
    const old = only(await queue.claim(everything))
    await pool.query(`update webhook_lane set lease_until = now() - interval '1 second'`)
    const taken = only(await queue.claim(everything))
    await queue.release([allDelivered(old)])
    await fanOut([second])
    expect(await worker().claim(everything)).toEqual([])
    await queue.release([allDelivered(taken)])
    expect(await deliverAll(worker())).toEqual([second.id])
  })

  it('that was lost takes its failures with it: neither retry nor death is recorded', async () => {
    const { addEndpoint, fanOut, worker, deliveries } = await startQueue()
    await addEndpoint(instance)
    await fanOut(messages(1))
    for (const outcome of [{ dead: true } as const, { nextAt: inAnHour() }]) {
      const [slow, quick] = [worker(0), worker(0)]
      const old = only(await slow.claim(everything))
      const taken = only(await quick.claim(everything))
      const delivery = only(old.deliveries)
      await slow.release([{ lane: old, attempts: [attemptAt(delivery, outcome)] }])
      expect(await deliveries.find(delivery.id)).toMatchObject({ state: 'open', next_attempt_at: null })
      await quick.release([{ lane: taken, attempts: [] }])
    }
    expect(await deliverAll(worker())).toHaveLength(1)
  })

  it('whose delivery was done by another does not hold up what comes after it', async () => {
    const { addEndpoint, fanOut, worker } = await startQueue()
    await addEndpoint(instance)
    const next = message()
    await fanOut(messages(1))
    const [slow, quick] = [worker(0), worker()]
    const old = only(await slow.claim(everything))
    const taken = only(await quick.claim(everything))
    await slow.release([allDelivered(old)])
    await fanOut([next])
    const failed = attemptAt(only(taken.deliveries), { nextAt: inAnHour() })
    expect(await quick.release([{ lane: taken, attempts: [failed] }])).toBe(true)
    expect(await deliverAll(quick)).toEqual([next.id])
  })

  it('that is renewed is not taken over; one that was lost is not renewed', async () => {
    const { addEndpoint, fanOut, worker, pool } = await startQueue()
    await addEndpoint(instance)
    const keys = [randomUUID(), randomUUID()]
    await fanOut(keys.map((key) => incoming(instance, key)))
    const queue = worker()
    const lanes = await queue.claim(everything)
    const renewed = lanes.find(({ key }) => key === keys[0])
    await pool.query(`update webhook_lane set lease_until = now() - interval '1 second'`)
    if (!renewed || lanes.length !== 2) throw new Error('There should be two lanes')
    expect((await queue.renew([renewed])).kept).toEqual(new Set([renewed]))
    expect((await worker().claim(everything)).map(({ key }) => key)).toEqual([keys[1]])
    expect((await queue.renew(lanes)).kept).toEqual(new Set([renewed]))
  })

  it('is free again when the only process starts anew', async () => {
    const { addEndpoint, fanOut, worker } = await startQueue()
    await addEndpoint(instance)
    await fanOut(messages(1))
    expect(await worker().claim(everything)).toHaveLength(1)
    const queue = worker()
    expect(await queue.claim(everything)).toEqual([])
    await queue.releaseAll()
    expect(await deliverAll(queue)).toHaveLength(1)
  })
})

describe('redelivery', () => {
  const deliveredOnce = async () => {
    const parts = await startQueue()
    await parts.addEndpoint(instance)
    await parts.fanOut([message()])
    const queue = parts.worker()
    const lane = only(await queue.claim(everything))
    return { ...parts, queue, lane, delivery: only(lane.deliveries) }
  }

  it.each(['dead', 'delivered'] as const)(
    'of a %s one delivers it again, with the whole schedule',
    async (state) => {
      const { queue, lane, delivery, deliveries, openCounts } = await deliveredOnce()
      const outcome = state === 'dead' ? ({ dead: true } as const) : ({ delivered: true } as const)
      await queue.release([{ lane, attempts: [attemptAt(delivery, outcome)] }])
      await deliveries.redeliver(delivery.id)
      await deliveries.redeliver(delivery.id)
      expect(await openCounts()).toEqual([{ open: 1, really: 1 }])
      expect(await deliveries.find(delivery.id)).toMatchObject({ state: 'open', finished_at: null })
      const again = only(await queue.claim(everything))
      expect(only(again.deliveries)).toMatchObject({ id: delivery.id, attempts: 1, retries_from: 1 })
      await queue.release([allDelivered(again)])
      expect(await openCounts()).toEqual([isGone])
      expect(await deliveries.find(delivery.id)).toMatchObject({
        state: 'delivered',
        attempts: [{ number: 1 }, { number: 2 }],
      })
    },
  )

  it('of an open one tries it at once, and keeps its place in the schedule', async () => {
    const { queue, lane, delivery, deliveries, openCounts } = await deliveredOnce()
    await queue.release([{ lane, attempts: [attemptAt(delivery, { nextAt: inAnHour() })] }])
    expect(await queue.claim(everything)).toEqual([])
    await deliveries.redeliver(delivery.id)
    expect(await openCounts()).toEqual([{ open: 1, really: 1 }])
    const again = only(await queue.claim(everything))
    expect(only(again.deliveries)).toMatchObject({ id: delivery.id, attempts: 1, retries_from: 0 })
  })

  it('while its last attempt dies opens it again', async () => {
    const { pool, worker, queue, lane, delivery, deliveries, openCounts } = await deliveredOnce()
    const other = await startTransaction(pool)
    await other.client.query('select from webhook_lane for update')
    const released = queue.release([{ lane, attempts: [attemptAt(delivery, { dead: true })] }])
    await other.isWaitedFor()
    const redelivered = deliveries.redeliver(delivery.id)
    await other.isWaitedFor(2)
    await other.commit()
    await Promise.all([released, redelivered])
    expect(await openCounts()).toEqual([{ open: 1, really: 1 }])
    expect(only(await worker().claim(everything)).deliveries).toMatchObject([{ id: delivery.id }])
  })
})

describe('a claim', () => {
  it('takes no more than asked for, nor more of one endpoint than it has room for', async () => {
    const { addEndpoint, fanOut, worker } = await startQueue()
    const [first, second] = [await addEndpoint(instance), await addEndpoint(instance)]
    await fanOut(Array.from({ length: 20 }, () => incoming(instance, randomUUID())))
    const count = (lanes: readonly Lane[], endpoint: string) =>
      lanes.filter(({ endpointId }) => endpointId === endpoint).length

    const lanes = await worker().claim({ lanes: 12, perEndpoint: 5, endpoints: { [first]: 2 } })
    expect([count(lanes, first), count(lanes, second)]).toEqual([2, 5])
    expect(await worker().claim({ lanes: 3, perEndpoint: 5 })).toHaveLength(3)
    const none = { [first]: 0, [second]: 0 }
    expect(await worker().claim({ ...everything, endpoints: none })).toEqual([])
    expect(await worker().claim(everything)).toHaveLength(30)
  })

  it('takes from the endpoint with the most room first', async () => {
    const { addEndpoint, fanOut, worker } = await startQueue()
    const endpoints = await Promise.all(Array.from({ length: 8 }, () => addEndpoint(instance)))
    await fanOut(Array.from({ length: 20 }, () => incoming(instance, randomUUID())))
    for (const idle of endpoints) {
      const busy = endpoints.filter((id) => id !== idle)
      const narrow = Object.fromEntries(busy.map((id) => [id, 1]))
      const lanes = await worker().claim({ lanes: 2, perEndpoint: 2, endpoints: narrow })
      expect(lanes.map(({ endpointId }) => endpointId)).toEqual([idle, idle])
    }
  })

  it('finds the lane of one endpoint at once beside a dead one with 2,000 open lanes', async () => {
    const { addEndpoint, fanOut, worker, pool } = await startQueue()
    const [dead, alive] = [randomUUID(), randomUUID()]
    const deadEndpoint = await addEndpoint(dead)
    const aliveEndpoint = await addEndpoint(alive)
    await fanOut(Array.from({ length: 2000 }, () => incoming(dead, randomUUID())))
    const event = incoming(alive, randomUUID())
    await fanOut([event])
    const queue = worker()
    const lanes = await queue.claim({ lanes: 64, perEndpoint: 16 })
    expect(lanes.filter(({ endpointId }) => endpointId === deadEndpoint)).toHaveLength(16)
    expect(idsIn(lanes.filter(({ endpointId }) => endpointId === aliveEndpoint))).toEqual([event.id])

    const { rows } = await pool.query<{ lanes: number }>(
      `select count(*) as lanes from webhook_lane where lease is not null`,
    )
    expect(rows).toEqual([{ lanes: 17 }])
  })
})

describe('a purge', () => {
  it('removes what ended long ago, so many at a time, and nothing that is open or younger', async () => {
    const { addEndpoint, fanOut, worker, pool, openCounts } = await startQueue()
    await addEndpoint(instance)
    await fanOut(messages(6))
    const queue = worker()
    const lane = only(await queue.claim(everything))
    const attempts = lane.deliveries
      .slice(0, 5)
      .map((delivery, n) => attemptAt(delivery, n < 2 ? { dead: true } : { delivered: true }))
    await queue.release([{ lane, attempts }])
    const [newest] = attempts
    await pool.query(
      `update webhook_delivery set finished_at = now() - interval '31 days' where id <> $1 and state <> 'open'`,
      [newest?.delivery],
    )
    expect([await queue.purge(30, 3), await queue.purge(30, 3), await queue.purge(30, 3)]).toEqual([3, 1, 0])
    const { rows } = await pool.query('select state from webhook_delivery order by id')
    expect(rows).toEqual([{ state: 'dead' }, { state: 'open' }])
    expect(await openCounts()).toEqual([{ open: 1, really: 1 }])
  })

  it('keeps one that is opened again at that moment', async () => {
    const { addEndpoint, fanOut, worker, pool, openCounts } = await startQueue()
    await addEndpoint(instance)
    await fanOut(messages(1))
    const queue = worker()
    await deliverAll(queue)
    await pool.query(`update webhook_delivery set finished_at = now() - interval '31 days'`)
    const other = await startTransaction(pool)
    await createDeliveries(other.client, () => {}).redeliver(1)
    expect(await queue.purge(30, 10)).toBe(0)
    await other.commit()
    expect(await openCounts()).toEqual([{ open: 1, really: 1 }])
  })
})

describe('erasing', () => {
  it('empties what was told of each conversation before its deletion, and leaves what came since', async () => {
    const { addEndpoint, fanOut, worker, pool, openCounts } = await startQueue()
    await addEndpoint(instance)
    const [one, other] = [randomUUID(), randomUUID()]
    const told = (key: string, position: number) => ({
      ...incoming(instance, key, `secret ${position}`),
      position: String(position),
    })
    await fanOut([told(one, 10), told(other, 20), told(one, 30), told(other, 40), told(conversation, 10)])
    const [at, chats] = [new Date().toISOString(), { instanceId: instance, jids: [] }]
    await scrubWebhooks(pool)([
      { owners: [one], position: 15n, at, chats },
      { owners: [other], position: 25n, at, chats },
      { owners: [one], position: 12n, at, chats },
    ])
    const { rows } = await pool.query<{ state: string; body: string }>(
      'select state, body from webhook_delivery order by id',
    )
    const [open, dead] = [expect.stringContaining('secret') as string, 'null']
    expect(rows).toEqual([
      { state: 'dead', body: dead },
      { state: 'dead', body: dead },
      { state: 'open', body: open },
      { state: 'open', body: open },
      { state: 'open', body: open },
    ])
    await fanOut([told(one, 14), told(other, 24), told(one, 16)])
    expect(await deliverAll(worker())).toHaveLength(4)
    expect(await openCounts()).toEqual([isGone, isGone, isGone])
  })
})

/** A transaction of somebody else, held open. */
const startTransaction = async (pool: Pool) => {
  const client = await pool.connect()
  await client.query('begin')
  return {
    client,
    isWaitedFor: (times = 1) =>
      vi.waitFor(
        async () => {
          const { rows } = await pool.query(
            `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
          )
          expect(rows).toHaveLength(times)
        },
        { timeout: WAIT_MS, interval: 5 },
      ),
    commit: async () => {
      await client.query('commit')
      client.release()
    },
  }
}
