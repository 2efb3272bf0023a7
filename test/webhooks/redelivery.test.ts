import { expect, onTestFinished, test, vi } from 'vitest'
import { findEndpoint } from '../../src/cli/webhooks/endpoint.ts'
import { redeliver } from '../../src/cli/webhooks/redeliver.ts'
import { createRedeliveries } from '../../src/webhooks/redelivery.ts'
import { createWakeOthers } from '../../src/webhooks/wake-others.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload } from '../support/client.ts'
import { range } from '../support/range.ts'
import { startReceiver, type Received } from '../support/receiver.ts'

const PATIENCE = { timeout: 20_000, interval: 10 }
/** More than an endpoint gets at once. */
const CONVERSATIONS = 20
const isMarked = ({ headers }: Received) => headers['x-webhook-redelivery'] === 'true'

test('however slow an endpoint is with what is delivered again, what is new does not wait for it', async () => {
  const app = await startApp({ WEBHOOK_TIMEOUT_SECONDS: '30' })
  onTestFinished(app.stop)
  let answerAll = () => {}
  const answered = new Promise<void>((resolve) => (answerAll = resolve))
  const receiver = await startReceiver(async (one) => {
    if (isMarked(one)) await answered
    return { status: 200 }
  })
  onTestFinished(receiver.close)
  const instance = await createConnectedInstance(app.admin)
  const events = ['message.incoming']
  await app.admin.put(`/instances/${instance}/webhook`, { webhook_url: receiver.url, events })
  const since = new Date().toISOString()
  const say = (id: string, n: number) =>
    app.admin.post(
      `/webhooks/instance/${instance}/incoming`,
      incomingPayload(id, String(5_511_900_000_000 + n)),
    )
  for (const n of range(CONVERSATIONS)) await say(`A${n}`, n)
  await vi.waitFor(() => expect(receiver.received).toHaveLength(CONVERSATIONS), PATIENCE)

  const endpoint = await findEndpoint(app.pool, instance)
  const others = createWakeOthers({ pool: app.pool, onWoken: () => {}, onError: () => {} })
  const running = redeliver({
    ...{ store: app.store, endpoint, perSecond: 1000, output: { write: () => true } },
    range: { endpointId: endpoint.id, since },
    redeliveries: createRedeliveries(app.pool, others.tell),
    isServed: () => Promise.resolve(true),
    interrupted: new AbortController().signal,
  })
  await vi.waitFor(() => expect(receiver.received.filter(isMarked)).toHaveLength(8), PATIENCE)
  await say('NEW', CONVERSATIONS)
  await vi.waitFor(
    () =>
      expect(receiver.received.at(-1)).toMatchObject({
        data: { whatsapp_message_id: 'NEW' },
      }),
    PATIENCE,
  )
  answerAll()
  expect(await running).toEqual({ open: 0, delivered: CONVERSATIONS, dead: 0, isOver: true })
  expect(app.faults).toEqual([])
})
