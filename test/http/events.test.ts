import { request as httpRequest } from 'node:http'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Client } from '../support/client.ts'
import { listen } from '../support/event-stream.ts'
import { range } from '../support/range.ts'
import { eventually } from '../support/eventually.ts'
import { addTenant, endAtRest, instanceClient, operatorOf, userClient, type App } from './world.ts'

const HEARTBEAT_MS = 200
const SLOW_MS = 1000
const PLENTY = { timeout: 30_000, interval: 20 }

let app: App
let instance: string
beforeAll(async () => {
  app = await startApp({}, { streamTimes: { heartbeatMs: HEARTBEAT_MS, slowMs: SLOW_MS, recheckMs: 100 } })
  instance = await createConnectedInstance(app.admin)
})
afterAll(() => app.stop())

const open = async (client: Client, options?: Parameters<typeof listen>[1]) => {
  const stream = await listen(client, options)
  onTestFinished(stream.close)
  return stream
}
const receive = async (
  id: string,
  to = instance,
  from = '5511999999999',
  text?: string,
  client = app.admin,
) => {
  const { status } = await client.post(`/webhooks/instance/${to}/incoming`, incomingPayload(id, from, text))
  expect(status).toBe(200)
}
const send = (message: string, to = instance, recipient = '5511999999999') =>
  app.admin.post('/send-message', { instance_id: to, recipient, message })
type Stream = Awaited<ReturnType<typeof listen>>
/** Those of messages; that their senders became known is told, too. */
const idsIn = ({ events }: Stream) => events.flatMap(({ data }) => data.data['whatsapp_message_id'] ?? [])
/** Everything that the caller may see, from the beginning. */
const everything = async (client: Client, last: string, query = '') => {
  const stream = await open(client, { query, lastEventId: '0.0' })
  await eventually(() => expect(idsIn(stream)).toContain(last))
  return stream.events
}

describe('GET /events', () => {
  it('tells what happens from now on, with the body of the webhook', async () => {
    await receive('BEFORE')
    const stream = await open(app.admin)
    expect(stream.status).toBe(200)
    expect(Object.fromEntries(stream.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    expect(stream.headers.get('content-encoding')).toBeNull()
    await receive('NOW')
    const told = () => stream.events.filter(({ event }) => event === 'message.received')
    await eventually(() => expect(told()).toHaveLength(1))
    expect(told()[0]).toMatchObject({
      id: expect.stringMatching(/^\d+\.0$/),
      event: 'message.received',
      data: {
        event: 'message.received',
        instance_uuid: instance,
        timestamp: '2024-01-15T09:50:00+00:00',
        data: { whatsapp_message_id: 'NOW', content: 'text of NOW', sender_number: '5511999999999' },
      },
    })
    expect(Object.keys(told()[0]?.data ?? {})).toEqual(['event', 'instance_uuid', 'timestamp', 'data'])
  })

  it('tells with each status the one before it', async () => {
    const stream = await open(app.admin, { query: '?events=message.status' })
    const { body } = await send('read me')
    for (const status of ['delivered', 'read'])
      await app.admin.post(`/sandbox/instances/${instance}/receipts`, { message_id: body.message_id, status })
    await eventually(() => expect(stream.events).toHaveLength(2))
    expect(stream.events.map(({ data }) => [data.data['previous_status'], data.data['new_status']])).toEqual([
      ['sent', 'delivered'],
      ['delivered', 'read'],
    ])
  })

  it('tells only the events that are asked for, under the name that was used', async () => {
    const stream = await open(app.admin, { query: '?events=message.incoming,message.status' })
    await send('not told')
    await receive('TOLD')
    await eventually(() => expect(stream.events).toHaveLength(1))
    expect(stream.events[0]).toMatchObject({ event: 'message.incoming', data: { event: 'message.incoming' } })
  })

  it('shows that it lives, and how far it is, while nothing happens for it', async () => {
    const stream = await open(app.admin, { query: '?events=instance.qr' })
    await receive('UNHEARD')
    const head = await endAtRest(app)
    await eventually(() => expect(stream.others).toContain(`: alive\nid: ${head}.0`))
    expect(stream.others[0]).toMatch(/^retry: 2000\nid: \d+\.0$/)
    expect(stream.events).toEqual([])
  })
})

describe('what a caller hears', () => {
  it('is of its own tenant, and for the token of an instance of that instance', async () => {
    const neighbour = await createConnectedInstance(app.admin, 'neighbour')
    const { client: stranger } = await addTenant(app, 'listener')
    const strange = await createConnectedInstance(stranger)
    const [own, others, bot, one] = await Promise.all([
      open(app.admin),
      open(stranger),
      open(await instanceClient(app.admin, neighbour)),
      open(app.admin, { query: `?instance_id=${neighbour}` }),
    ])
    await receive('TO-INSTANCE')
    await receive('TO-STRANGER', strange, undefined, undefined, stranger)
    await receive('TO-NEIGHBOUR', neighbour)
    await eventually(() => expect(idsIn(own)).toEqual(['TO-INSTANCE', 'TO-NEIGHBOUR']))
    await eventually(() => expect(idsIn(others)).toEqual(['TO-STRANGER']))
    for (const stream of [bot, one]) await eventually(() => expect(idsIn(stream)).toEqual(['TO-NEIGHBOUR']))
  })
  it('is the same for an agent and a viewer', async () => {
    const streams = await Promise.all([
      open(await userClient(app, 'agent')),
      open(await userClient(app, 'viewer')),
    ])
    await receive('FOR-ALL')
    for (const stream of streams) await eventually(() => expect(idsIn(stream)).toEqual(['FOR-ALL']))
  })
  it('from the beginning holds nothing of another tenant either', async () => {
    const { client: stranger } = await addTenant(app, 'historian')
    const theirs = await createConnectedInstance(stranger)
    await receive('HISTORY', theirs, undefined, undefined, stranger)
    const events = await everything(stranger, 'HISTORY')
    expect(new Set(events.map(({ data }) => data.instance_uuid))).toEqual(new Set([theirs]))
  })
})

describe('a client that comes back', () => {
  it('gets everything once and in order, wherever its connection broke', async () => {
    const busy = await createConnectedInstance(app.admin, 'busy')
    const MESSAGES = 300
    const query = `?instance_id=${busy}&events=message.received,message.sent,message.status`
    const start = await open(app.admin, { query })
    await eventually(() => expect(start.lastEventId).toBeDefined())
    let place = start.lastEventId
    await start.close()

    let isOver = false
    const write = async () => {
      const one = async (n: number) => {
        await receive(`LOAD-${n}`, busy, `55119000000${n % 7}`)
        if (n % 3 > 0) return
        const { body } = await send(`load ${n}`, busy, `55119000000${n % 7}`)
        await app.admin.post(`/sandbox/instances/${busy}/receipts`, {
          message_id: body.message_id,
          status: 'read',
        })
      }
      for (let n = 0; n < MESSAGES; n += 10) await Promise.all(range(10).map((more) => one(n + more)))
      await receive('LOAD-END', busy)
      isOver = true
    }
    const writing = write()

    const heard: { id: string; text: string }[] = []
    let connections = 0
    for (;;) {
      const stream = await listen(app.admin, { query, lastEventId: place })
      connections++
      const enough = Math.floor(Math.random() * 40)
      const hasEnd = () => idsIn(stream).includes('LOAD-END')
      await vi.waitFor(
        () => {
          const isEnough = isOver ? hasEnd() : stream.events.length >= enough
          expect(isEnough || hasEnd()).toBe(true)
        },
        { timeout: 30_000, interval: 1 },
      )
      await stream.close()
      heard.push(...stream.events.map(({ id, data }) => ({ id, text: JSON.stringify(data) })))
      place = stream.lastEventId
      if (hasEnd()) break
    }
    await writing
    expect(connections).toBeGreaterThan(5)

    const whole = await everything(app.admin, 'LOAD-END', query)
    expect(heard.map(({ text }) => text)).toEqual(whole.map(({ data }) => JSON.stringify(data)))
    expect(heard.map(({ id }) => id)).toEqual(whole.map(({ id }) => id))
    const received = whole.filter(({ event }) => event === 'message.received')
    expect(new Set(received.map(({ data }) => data.data['whatsapp_message_id'])).size).toBe(MESSAGES + 1)
    expect(whole.filter(({ event }) => event === 'message.status').length).toBeGreaterThanOrEqual(
      MESSAGES / 3,
    )
  })

  it('goes on after the place where it began, though nothing was told to it', async () => {
    const stream = await open(app.admin)
    await eventually(() => expect(stream.lastEventId).toBeDefined())
    await stream.close()
    await receive('MEANWHILE')
    const again = await open(app.admin, { lastEventId: stream.lastEventId })
    await eventually(() => expect(idsIn(again)).toEqual(['MEANWHILE']))
  })

  it('may give its place in the query, and the header counts before it', async () => {
    const place = `${await app.store.head()}.0`
    await receive('ONE')
    const inQuery = await open(app.admin, { query: `?last_event_id=${place}` })
    await eventually(() => expect(idsIn(inQuery)).toEqual(['ONE']))
    await receive('TWO')
    const inBoth = await open(app.admin, {
      query: `?last_event_id=${place}`,
      lastEventId: inQuery.events[0]?.id,
    })
    await eventually(() => expect(idsIn(inBoth)).toEqual(['TWO']))
  })

  it.each(['nonsense', '1', '-1.0', '1.0.0', '1.0x', '9223372036854775807.0', '9999999999999999999.0'])(
    'with the place %s is told that there is no such place',
    async (lastEventId) => {
      const inHeader = await app.admin.call('GET', '/events', undefined, { 'last-event-id': lastEventId })
      const inQuery = await app.admin.get(`/events?last_event_id=${lastEventId}`)
      for (const { status, body } of [inHeader, inQuery]) {
        expect(status).toBe(422)
        expect(body.error).toMatchObject({
          code: 'VALIDATION_FAILED',
          details: { last_event_id: ['must be the id of an event of this stream'] },
        })
      }
    },
  )
})

describe('a stream ends', () => {
  it('within moments when its token is revoked, and others go on', async () => {
    const { body } = await app.admin.post(`/instances/${instance}/tokens`, { name: 'listener' })
    const stream = await open(app.admin.as(body.data.token))
    const other = await open(app.admin)
    await app.admin.delete(`/instances/${instance}/tokens/${body.data.id}`)
    const revokedAt = performance.now()
    expect(await stream.ended).toBe('end')
    expect(performance.now() - revokedAt).toBeLessThan(5000)
    await receive('AFTER-REVOCATION')
    await eventually(() => expect(idsIn(other)).toEqual(['AFTER-REVOCATION']))
    expect(stream.events).toEqual([])
  })
  it('when the tenant is disabled', async () => {
    const { client, tenant } = await addTenant(app, 'disabled')
    const stream = await open(client)
    await operatorOf(app).post(`/tenants/${tenant.id}/disable`)
    expect(await stream.ended).toBe('end')
  })
})

describe('streams are bounded', () => {
  it('a sixth of one token is refused until one of the five is closed', async () => {
    const bot = await instanceClient(app.admin, instance)
    const [first] = await Promise.all(range(5).map(() => open(bot)))
    const refused = await bot.get('/events')
    expect(refused.status).toBe(429)
    expect(refused.body.error.code).toBe('RATE_LIMITED')
    expect(refused.headers.get('retry-after')).toBe('10')
    expect((await app.admin.get('/events')).status, 'another token').toBe(200)
    await first?.close()
    await eventually(async () => expect((await open(bot)).status).toBe(200))
  })
  it('HEAD leaves none open', async () => {
    const bot = await instanceClient(app.admin, instance)
    for (const _ of range(10)) {
      const call = () =>
        fetch(`${app.url}/events`, { method: 'HEAD', headers: { authorization: `Bearer ${bot.token}` } })
      await eventually(async () => expect((await call()).status).toBe(200))
    }
  })
  it('a reader that takes nothing is cut off, and holds up nobody else meanwhile', async () => {
    const bot = await instanceClient(app.admin, instance)
    const headers = { authorization: `Bearer ${bot.token}` }
    const [slow] = await once(httpRequest(`${app.url}/events`, { headers }).end(), 'response')
    const [quick] = await Promise.all(range(4).map(() => open(bot)))
    const refused = await bot.get('/events')
    expect(refused.status).toBe(429)

    const [MESSAGES, large] = [200, 'x'.repeat(60_000)]
    for (let n = 0; n < MESSAGES; n += 10)
      await Promise.all(range(10).map((more) => receive(`LARGE-${n + more}`, instance, undefined, large)))
    await vi.waitFor(() => expect(quick?.events).toHaveLength(MESSAGES), PLENTY)
    await eventually(async () => expect((await bot.get('/events')).status, 'its place is free').toBe(200))

    // What was on its way still comes, but not all.
    let bytes = 0
    slow.on('data', (part: Buffer) => (bytes += part.length))
    await expect(once(slow, 'end')).rejects.toThrow('aborted')
    expect(bytes).toBeLessThan(MESSAGES * large.length)
    expect(app.faults).toEqual([])
  })
})
