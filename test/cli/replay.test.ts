import { expect, onTestFinished, test } from 'vitest'
import { WrongUsage } from '../../src/cli/command.ts'
import { readModelsNamed } from '../../src/cli/read-models-named.ts'
import { replay } from '../../src/cli/replay.ts'
import { endAtRest } from '../http/world.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload } from '../support/client.ts'
import { startReceiver } from '../support/receiver.ts'
import { allRows } from '../support/rows.ts'
import { eventually } from '../support/eventually.ts'

const nowhere = { write: () => {} }

test('a replay tells nobody anything again: no webhook, no message, no event; what comes then is told once', async () => {
  const app = await startApp()
  const receiver = await startReceiver()
  onTestFinished(receiver.close)
  const instance = await createConnectedInstance(app.admin)
  await app.admin.put(`/instances/${instance}/webhook`, {
    webhook_url: receiver.url,
    events: ['message.received', 'message.sent'],
  })
  const receive = async (id: string) =>
    expect(
      (await app.admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload(id))).status,
    ).toBe(200)
  await receive('FIRST')
  const message = { instance_id: instance, recipient: '5511999999999', message: 'hello' }
  expect((await app.admin.post('/send-message', message)).status).toBe(200)
  await eventually(() =>
    expect(receiver.received.map(({ event }) => event)).toEqual(['message.received', 'message.sent']),
  )
  const outbox = async () => (await app.admin.get(`/sandbox/instances/${instance}/outbox`)).body.data.messages
  const deliveries = async () => (await app.pool.query('select count(*) from webhook_delivery')).rows
  const standing = async () => ({
    outbox: await outbox(),
    deliveries: await deliveries(),
    head: await app.store.head(),
  })
  expect(await app.readModels.reached(await endAtRest(app), 10_000, ...app.readModels.names)).toBe(true)
  const before = { ...(await standing()), rows: await allRows(app.pool) }

  await replay(app.pool, app.store, readModelsNamed([]), { out: nowhere, progress: nowhere })
  expect({ ...(await standing()), rows: await allRows(app.pool) }).toEqual(before)

  await receive('SECOND')
  await eventually(() =>
    expect(receiver.received.map(({ data }) => data['whatsapp_message_id']).slice(2)).toEqual(['SECOND']),
  )
  expect(app.faults).toEqual([])
})

test.each(['massage', 'constructor'])('%s is no read model, and to name it is wrong usage', (name) => {
  expect(() => readModelsNamed(['message', name])).toThrow(WrongUsage)
})
