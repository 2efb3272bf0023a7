import { afterAll, beforeAll, expect, it } from 'vitest'
import { createConnectedInstance, incomingPayload, login } from '../support/client.ts'
import { newPrefix, startKafka, type KafkaUnderTest } from '../support/kafka.ts'
import { startReceiver } from '../support/receiver.ts'
import { eventually } from '../support/eventually.ts'
import { ADMIN, createHome, type Home } from './home.ts'

const GROUP_AUTHORIZATION_FAILED = 30

let kafka: KafkaUnderTest
let home: Home
beforeAll(async () => {
  kafka = await startKafka()
  home = await createHome({
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    KAFKA_BROKERS: `127.0.0.1:${kafka.proxy.port}`,
    KAFKA_PREFIX: newPrefix(),
    KAFKA_PARTITIONS: '3',
  })
})
afterAll(async () => {
  await home.remove()
  await kafka.stop()
})

it('a program that Kafka has shut out for good says so and ends, and the next one goes on', async () => {
  const program = await home.start()
  const admin = await login(program.url, ADMIN.email, ADMIN.password)
  const instance = await createConnectedInstance(admin)
  const receiver = await startReceiver()
  const came = () => receiver.received.map(({ data }) => data['whatsapp_message_id'])
  const hook = `/webhooks/instance/${instance}/incoming`
  const endpoint = { webhook_url: receiver.url, events: ['message.received'] }
  await admin.put(`/instances/${instance}/webhook`, endpoint)
  await admin.post(hook, incomingPayload('FIRST'))
  await eventually(() => expect(came()).toEqual(['FIRST']))

  kafka.proxy.refuseHeartbeat(GROUP_AUTHORIZATION_FAILED)
  expect(await program.ended).toBe(1)
  expect(program.output()).toContain('gave up: Not authorized to access group')
  expect(program.output()).toContain('this process can go on no longer')

  const next = await home.start()
  const client = await login(next.url, ADMIN.email, ADMIN.password)
  await client.post(hook, incomingPayload('SECOND'))
  await eventually(() => expect(came()).toEqual(['FIRST', 'SECOND']))
  expect(await next.stop()).toBe(0)
  await receiver.close()
})
