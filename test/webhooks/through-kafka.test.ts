import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { inProcessBus } from '../../src/adapters/in-process/bus.ts'
import { bodyFields, type PublicEvent } from '../../src/domain/public-events.ts'
import type { Bus, HandleEvents } from '../../src/ports/bus.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload } from '../support/client.ts'
import { newPrefix, openKafkaBus, startKafka, type KafkaUnderTest } from '../support/kafka.ts'
import { sharedDatabase } from '../support/nodes.ts'
import { received } from '../support/public-events.ts'
import { startReceiver } from '../support/receiver.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

let kafka: KafkaUnderTest
beforeAll(async () => {
  kafka = await startKafka()
})
afterAll(() => kafka.stop())

test('what comes in goes through Kafka to the endpoint, with the body that it has in one process', async () => {
  const bus = openKafkaBus({ brokers: [kafka.plain], prefix: newPrefix(), times: { lagEveryMs: 100 } })
  const published: PublicEvent[] = []
  const publish = async (events: readonly PublicEvent[]) => {
    await bus.publish(events)
    published.push(...events)
  }
  const app = await startApp({}, { bus: { ...bus, publish } })
  const receiver = await startReceiver()
  try {
    const instance = await createConnectedInstance(app.admin)
    const endpoint = { webhook_url: receiver.url, events: ['message.incoming'] }
    await app.admin.put(`/instances/${instance}/webhook`, endpoint)
    const names = ['FIRST', 'SECOND', 'THIRD']
    for (const name of names) {
      const payload = incomingPayload(name, '5511999999999', `${name}: olá "👋" \u2028`)
      expect((await app.admin.post(`/webhooks/instance/${instance}/incoming`, payload)).status).toBe(200)
    }
    await eventually(() => expect(receiver.received).toHaveLength(3))
    expect(receiver.received.map(({ data }) => data['whatsapp_message_id'])).toEqual(names)
    const bodies = published
      .filter(({ type }) => type === 'message.received')
      .map((event) => JSON.stringify({ event: 'message.incoming', ...bodyFields(event) }))
    expect(receiver.received.map(({ raw }) => raw.toString())).toEqual(bodies)

    await eventually(async () =>
      expect((await app.admin.get('/ready')).body).toMatchObject({
        status: 'ok',
        bus: { lag: { webhooks: 0 } },
      }),
    )
    await eventually(async () => {
      const { body: metrics } = await app.admin.get('/metrics')
      expect(metrics).toContain(`zapini_bus_published_total ${published.length}`)
      expect(metrics).toContain('zapini_bus_dead_letters_total 0')
      expect(metrics).toContain('zapini_bus_lag{group="webhooks"} 0')
    })
  } finally {
    await receiver.close()
    await app.stop()
    await bus.close()
  }
})

test('what is in a topic when its conversation is erased is not delivered; what began anew since then is', async () => {
  const bus = openKafkaBus({ brokers: [kafka.plain], prefix: newPrefix() })
  const { opened, open } = gate()
  let published = 0
  const slow: Bus = {
    ...bus,
    publish: async (events) => {
      await bus.publish(events)
      published += events.length
    },
    subscribe: (group, handle) => bus.subscribe(group, async (events) => opened.then(() => handle(events))),
  }
  const app = await startApp({}, { bus: slow })
  const receiver = await startReceiver()
  try {
    const instance = await createConnectedInstance(app.admin)
    await app.admin.put(`/instances/${instance}/webhook`, {
      webhook_url: receiver.url,
      events: ['message.received'],
    })
    const receive = (text: string) =>
      app.admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload(text, '5511999999999', text))
    await receive('secret')
    await eventually(() => expect(published).toBeGreaterThan(1))
    const { body } = await app.admin.get('/conversations')
    const { id } = body.data[0]
    expect((await app.admin.delete(`/conversations/${id}`)).status).toBe(200)
    await eventually(async () => {
      const [started] = await app.store.readStream(`conversation-${id}`)
      expect(started).toMatchObject({ erased: true })
    })
    open()
    await receive('anew')
    await eventually(() => expect(receiver.received).not.toEqual([]))
    expect(receiver.received.map(({ data }) => data['content'])).toEqual(['anew'])
    const { rows } = await app.pool.query("select from webhook_delivery where body like '%secret%'")
    expect(rows).toEqual([])
  } finally {
    await receiver.close()
    await app.stop()
    await bus.close()
  }
})

test('what waits in a topic while the table of endpoints is made anew is delivered all the same', async () => {
  const { startNode } = await sharedDatabase()
  const receiver = await startReceiver()
  onTestFinished(receiver.close)
  const before = await startNode('api,projector,gateway')
  const instance = await createConnectedInstance(before.admin)
  const endpoint = { webhook_url: receiver.url, events: ['message.received'] }
  await before.admin.put(`/instances/${instance}/webhook`, endpoint)
  const { tenant_id: tenantId } = (await before.pool.query('select tenant_id from instance')).rows[0]
  await before.pool.query(
    "drop table webhook_endpoint; delete from checkpoint where name = 'webhook_endpoint'",
  )
  await before.leave()

  const waiting = { ...received(randomUUID(), 'hello'), tenantId, instanceId: instance }
  const { opened, open: tried } = gate()
  let handle: HandleEvents = () => Promise.resolve()
  const bus: Bus = {
    ...inProcessBus(),
    subscribe: (_group, given) => void (handle = given),
    // As on Kafka: what is in a topic comes at once, and again until it is safe.
    run: async (signal) => {
      for (let isSafe = false; !isSafe && !signal.aborted; tried())
        isSafe = await handle([waiting]).then(
          () => true,
          () => false,
        )
    },
  }
  const deliverer = startNode('webhooks', {}, { bus })
  await opened
  await startNode('projector')
  await deliverer
  await eventually(() => expect(receiver.received.map(({ data }) => data['content'])).toEqual(['hello']))
})
