import { afterAll, beforeAll, expect, test } from 'vitest'
import { bodyFields, type PublicEvent } from '../../src/domain/public-events.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload } from '../support/client.ts'
import { newPrefix, openKafkaBus, startKafka, type KafkaUnderTest } from '../support/kafka.ts'
import { startReceiver } from '../support/receiver.ts'
import { eventually } from '../support/subscriber.ts'

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
