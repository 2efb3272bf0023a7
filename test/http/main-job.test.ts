import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload } from '../support/client.ts'
import { startReceiver } from '../support/receiver.ts'

let app: Awaited<ReturnType<typeof startApp>>
let receiver: Awaited<ReturnType<typeof startReceiver>>
beforeAll(async () => {
  app = await startApp()
  receiver = await startReceiver()
})
afterAll(async () => {
  await app.stop()
  await receiver.close()
})

test('an incoming message reaches the webhook once, however often it is posted', async () => {
  const instance = await createConnectedInstance(app.admin)
  await app.admin.put(`/instances/${instance}/webhook`, {
    webhook_url: receiver.url,
    webhook_secret: 'secret123',
  })
  for (let n = 0; n < 3; n++) {
    const { status } = await app.admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('A1'))
    expect(status).toBe(200)
  }
  await app.admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('A2'))
  await vi.waitFor(() =>
    expect(receiver.received.map(({ data }) => data['whatsapp_message_id'])).toEqual(['A1', 'A2']),
  )
})
