import { createHmac, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { addressGuard } from '../../src/adapters/outbound/address-guard.ts'
import { guardedPost } from '../../src/adapters/outbound/post.ts'
import { publicTypes } from '../../src/domain/public-events.ts'
import { OPERATOR_TOKEN, startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, login, type Client } from '../support/client.ts'
import { startReceiver } from '../support/receiver.ts'

const SECRET = 'your_secret_key_here'
const PATIENCE = { timeout: 20_000, interval: 20 }
/** More than an endpoint gets that does not answer, fewer than one that does. */
const FEW = 5
const NEVER_MS = 3_600_000
const numberOf = (n: number) => String(5_511_900_000_000 + n)
const [FIRST, SECOND] = [numberOf(1), numberOf(2)]

type App = Awaited<ReturnType<typeof startApp>>
let app: App
beforeAll(async () => {
  app = await startApp({ WEBHOOK_RETRY_SECONDS: '0.1,0.2', WEBHOOK_TIMEOUT_SECONDS: '30' })
})
afterAll(() => app.stop())

const receiverFor = async (...parts: Parameters<typeof startReceiver>) => {
  const receiver = await startReceiver(...parts)
  onTestFinished(receiver.close)
  return receiver
}

/** A connected instance whose events go to a URL; with what was made of it. */
const instanceWith = async (webhook: Record<string, unknown>, client: Client = app.admin) => {
  const id = await createConnectedInstance(client)
  const { status, body } = await client.put(`/instances/${id}/webhook`, {
    webhook_secret: SECRET,
    // Who writes becomes a contact, which would be told as well; so would, if they are not told yet, the steps of pairing.
    events: publicTypes.filter((type) => type.startsWith('message.')),
    ...webhook,
  })
  expect(status).toBe(200)
  return {
    id,
    webhook: body.data,
    receive: (...payload: Parameters<typeof incomingPayload>) => receive(client, id, ...payload),
  }
}
const receive = async (client: Client, instance: string, ...payload: Parameters<typeof incomingPayload>) => {
  const { status } = await client.post(`/webhooks/instance/${instance}/incoming`, incomingPayload(...payload))
  expect(status).toBe(200)
}

type Attempt = {
  number: number
  at: string
  status: number | null
  error: string | null
  response: string | null
}
type Delivery = {
  id: number
  event: string
  state: string
  attempts: Attempt[]
  next_attempt_at: string | null
}
const deliveriesOf = async (instance: string, query = '', client = app.admin): Promise<Delivery[]> => {
  const { status, body } = await client.get(`/instances/${instance}/webhook/deliveries${query}`)
  expect(status).toBe(200)
  return body.data.deliveries
}
const only = <T>(list: readonly T[]): T => {
  const [first] = list
  if (first === undefined || list.length !== 1) throw new Error(`Expected one, not ${list.length}`)
  return first
}
/** The only delivery of an instance, once it looks as expected. */
const deliveryOnce = (instance: string, expected: object, client?: Client) =>
  vi.waitFor(async () => {
    const delivery = only(await deliveriesOf(instance, '', client))
    expect(delivery).toMatchObject(expected)
    return delivery
  }, PATIENCE)

describe('a webhook', () => {
  it('carries a signature of its exact bytes, and the headers that say what it is', async () => {
    const receiver = await receiverFor()
    const instance = await instanceWith({ webhook_url: receiver.url, events: ['message.incoming'] })
    await instance.receive('A1', '5511999999999', 'Olá, "ação" 👍 \u2028 </script>')
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), PATIENCE)
    const { headers, raw, body, data } = only(receiver.received)
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'Zapini-Webhook/1.0',
      'x-webhook-event': 'message.incoming',
      'x-instance-uuid': instance.id,
      'x-webhook-signature': createHmac('sha256', SECRET).update(raw).digest('hex'),
    })
    expect(body).toMatchObject({ event: 'message.incoming', instance_uuid: instance.id })
    expect(data).toMatchObject({ content: 'Olá, "ação" 👍 \u2028 </script>', whatsapp_message_id: 'A1' })
    expect(JSON.stringify(JSON.parse(raw.toString()))).toBe(raw.toString())
  })

  it.each([
    ['a secret of the customer', SECRET, () => new Webhook(SECRET, { format: 'raw' })],
    ['a secret made here', undefined, (made: string) => new Webhook(made)],
  ])('verifies as Standard Webhooks has it, with %s', async (_, secret, verifierOf) => {
    const receiver = await receiverFor((_, nth) => ({ status: nth === 1 ? 503 : 200 }))
    const instance = await instanceWith({ webhook_url: receiver.url, webhook_secret: secret })
    await instance.receive('A1')
    await vi.waitFor(() => expect(receiver.received).toHaveLength(2), PATIENCE)
    const verifier = verifierOf(instance.webhook.webhook_secret)
    const sentAs = receiver.received.map(({ raw, headers }) => {
      const standard = {
        'webhook-id': String(headers['webhook-id']),
        'webhook-timestamp': String(headers['webhook-timestamp']),
        'webhook-signature': String(headers['webhook-signature']),
      }
      expect(verifier.verify(raw.toString(), standard)).toEqual(JSON.parse(raw.toString()))
      return standard['webhook-id']
    })
    expect(new Set(sentAs).size, 'one id in all attempts').toBe(1)
    const { body } = await app.admin.get(`/instances/${instance.id}/webhook`)
    expect(JSON.stringify(body)).not.toContain('secret')
  })

  it('tells of a message that is sent, then of its receipts, in order', async () => {
    const receiver = await receiverFor()
    const instance = await instanceWith({
      webhook_url: receiver.url,
      events: ['message.sent', 'message.status'],
    })
    const { status, body: sent } = await app.admin.post('/send-message', {
      instance_id: instance.id,
      recipient: '5511888888888',
      message: 'Olá!',
    })
    expect(status).toBe(200)
    for (const receipt of ['delivered', 'read'])
      await app.admin.post(`/sandbox/instances/${instance.id}/receipts`, {
        message_id: sent.message_id,
        status: receipt,
      })
    const common = { message_id: sent.message_uuid, whatsapp_message_id: sent.message_id }
    await vi.waitFor(() => expect(receiver.received).toHaveLength(3), PATIENCE)
    expect(receiver.received.map(({ event, data }) => ({ event, data }))).toMatchObject([
      { event: 'message.sent', data: { ...common, content: 'Olá!', source: 'api' } },
      { event: 'message.status', data: { ...common, previous_status: 'sent', new_status: 'delivered' } },
      { event: 'message.status', data: { ...common, previous_status: 'delivered', new_status: 'read' } },
    ])
  })
})

describe('a delivery that fails', () => {
  it('is tried again after the delays of the schedule, then is dead; every attempt is on record', async () => {
    const receiver = await receiverFor(() => ({ status: 500 }))
    const { id, receive } = await instanceWith({ webhook_url: receiver.url })
    await receive('A1')
    const dead = await deliveryOnce(id, { state: 'dead', next_attempt_at: null })
    expect(dead.attempts).toMatchObject([1, 2, 3].map((number) => ({ number, status: 500, error: null })))
    const [first, second, third] = dead.attempts.map(({ at }) => Date.parse(at))
    // A fifth less than the delay is the least that jitter makes of it.
    expect(Number(second) - Number(first)).toBeGreaterThanOrEqual(80)
    expect(Number(third) - Number(second)).toBeGreaterThanOrEqual(160)
    expect(receiver.received).toHaveLength(3)
  })

  it('is not tried again before the time that the receiver asked for', async () => {
    const receiver = await receiverFor((_, nth) =>
      nth === 1 ? { status: 429, headers: { 'retry-after': '1' } } : { status: 200 },
    )
    const { id, receive } = await instanceWith({ webhook_url: receiver.url })
    await receive('A1')
    const { attempts } = await deliveryOnce(id, { state: 'delivered' })
    const [first, second] = attempts.map(({ at }) => Date.parse(at))
    expect(Number(second) - Number(first)).toBeGreaterThanOrEqual(1000)
  })

  it('is recorded with what the receiver answered', async () => {
    const server = createServer((request, response) => {
      request.resume()
      response.writeHead(422, { 'content-type': 'text/plain' }).end('no such\0 customer')
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const { id, receive } = await instanceWith({ webhook_url: `http://127.0.0.1:${port}/` })
    await receive('A1')
    const { attempts } = await deliveryOnce(id, { state: 'dead' })
    expect(attempts[0]).toMatchObject({ status: 422, error: null, response: 'no such customer' })
  })

  it('is recorded with the reason where there is no answer', async () => {
    const { id, receive } = await instanceWith({ webhook_url: 'http://127.0.0.1:1/' })
    await receive('A1')
    const { attempts } = await deliveryOnce(id, { state: 'dead' })
    expect(attempts[0]).toMatchObject({ status: null, error: 'connection refused', response: null })
  })

  it('does not follow a redirect', async () => {
    const target = await receiverFor()
    const receiver = await receiverFor(() => ({ status: 307, headers: { location: target.url } }))
    const { id, receive } = await instanceWith({ webhook_url: receiver.url })
    await receive('A1')
    const { attempts } = await deliveryOnce(id, { state: 'dead' })
    expect(attempts.map(({ status }) => status)).toEqual([307, 307, 307])
    expect(target.received).toEqual([])
  })

  it('keeps what follows in its conversation waiting, and no other conversation', async () => {
    let isOpen = false
    const receiver = await receiverFor(({ data }) =>
      data['chat_id'] === `${FIRST}@s.whatsapp.net` && !isOpen
        ? { status: 503, headers: { 'retry-after': '1' } }
        : { status: 200 },
    )
    const { receive } = await instanceWith({ webhook_url: receiver.url })
    for (const [id, from] of [
      ['A1', FIRST],
      ['A2', FIRST],
      ['B1', SECOND],
      ['B2', SECOND],
    ] as const)
      await receive(id, from)
    const ids = () => receiver.received.map(({ data }) => data['whatsapp_message_id'])
    await vi.waitFor(() => expect(ids()).toEqual(expect.arrayContaining(['A1', 'B1', 'B2'])), PATIENCE)
    expect(ids()).not.toContain('A2')
    isOpen = true
    await vi.waitFor(() => expect(ids()).toContain('A2'), PATIENCE)
    expect(ids().lastIndexOf('A1')).toBeLessThan(ids().indexOf('A2'))
  })
})

describe('the deliveries of an instance', () => {
  it('are listed newest first, by state and by page, with what was sent', async () => {
    const receiver = await receiverFor(({ data }) => ({
      status: data['whatsapp_message_id'] === 'A2' ? 400 : 200,
    }))
    const { id, receive } = await instanceWith({ webhook_url: receiver.url })
    for (const message of ['A1', 'A2', 'A3']) await receive(message)
    const all = await vi.waitFor(async () => {
      const all = await deliveriesOf(id)
      expect(all.map(({ state }) => state)).toEqual(['delivered', 'dead', 'delivered'])
      return all
    }, PATIENCE)
    expect(all[0]).toMatchObject({
      event: 'message.received',
      attempts: [{ number: 1, status: 200 }],
      payload: { event: 'message.received', data: { whatsapp_message_id: 'A3' } },
    })
    expect(await deliveriesOf(id, '?state=dead')).toEqual([all[1]])
    const firstPage = await deliveriesOf(id, '?limit=2')
    expect(firstPage).toEqual(all.slice(0, 2))
    expect(await deliveriesOf(id, `?limit=2&before_id=${firstPage[1]?.id}`)).toEqual(all.slice(2))
  })

  it('can be sent again: a dead one, with the whole schedule, and one that was delivered', async () => {
    let status = 500
    const receiver = await receiverFor(() => ({ status }))
    const { id, receive } = await instanceWith({ webhook_url: receiver.url })
    await receive('A1')
    const dead = await deliveryOnce(id, { state: 'dead' })
    const again = `/webhooks/deliveries/${dead.id}/redeliver`
    expect((await app.admin.post(again)).status).toBe(202)
    expect((await deliveryOnce(id, { state: 'dead', attempts: Array(6).fill({}) })).id).toBe(dead.id)
    status = 200
    expect((await app.admin.post(again)).status).toBe(202)
    await deliveryOnce(id, { state: 'delivered', attempts: Array(7).fill({}) })
    expect((await app.admin.post(again)).status).toBe(202)
    await deliveryOnce(id, { state: 'delivered', attempts: Array(8).fill({}) })
    expect(new Set(receiver.received.map(({ raw }) => raw.toString())).size, 'the same bytes each time').toBe(
      1,
    )
  })

  it('are nobody else’s: another tenant neither lists them nor sends them again', async () => {
    const receiver = await receiverFor()
    const { id, receive } = await instanceWith({ webhook_url: receiver.url })
    await receive('A1')
    const delivery = await deliveryOnce(id, { state: 'delivered' })
    const email = `${randomUUID()}@acme.example`
    const admin = { name: 'Ana', email, password: 'a long password' }
    expect((await app.admin.as(OPERATOR_TOKEN).post('/tenants', { name: 'Acme', admin })).status).toBe(201)
    const stranger = await login(app.url, email, admin.password)
    expect((await stranger.get(`/instances/${id}/webhook/deliveries`)).status).toBe(404)
    expect((await stranger.post(`/webhooks/deliveries/${delivery.id}/redeliver`)).status).toBe(404)
  })

  it.each(['0', 'x', '1.5', '99999999999999999999'])('with the impossible id %s do not exist', async (id) => {
    const { status } = await app.admin.post(`/webhooks/deliveries/${id}/redeliver`)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(500)
    const instance = await createConnectedInstance(app.admin)
    const page = await app.admin.get(`/instances/${instance}/webhook/deliveries?before_id=${id}`)
    expect(page.status).toBeLessThan(500)
  })
})

describe('an endpoint', () => {
  it('that hangs does not hold up another’s', async () => {
    const patient = await startApp({
      WEBHOOK_TIMEOUT_SECONDS: '30',
      WEBHOOK_CONCURRENCY: '8',
      WEBHOOK_ENDPOINT_CONCURRENCY: '4',
    })
    onTestFinished(patient.stop)
    const hanging = await receiverFor(() => ({ status: 200, delayMs: NEVER_MS }))
    const quick = await receiverFor()
    const stuck = await instanceWith({ webhook_url: hanging.url }, patient.admin)
    const free = await instanceWith({ webhook_url: quick.url }, patient.admin)
    for (let n = 0; n < 20; n++) await stuck.receive(`S${n}`, numberOf(n))
    await vi.waitFor(() => expect(hanging.received).toHaveLength(4), PATIENCE)
    for (let n = 0; n < 20; n++) await free.receive(`F${n}`, numberOf(n))
    await vi.waitFor(() => expect(quick.received).toHaveLength(20), PATIENCE)
    expect(hanging.received).toHaveLength(4)
    expect(await deliveriesOf(stuck.id, '?state=open', patient.admin)).toHaveLength(20)
  })

  it('that did not answer gets few deliveries at once, until it answers again', async () => {
    const impatient = await startApp({
      WEBHOOK_TIMEOUT_SECONDS: '1',
      WEBHOOK_RETRY_SECONDS: Array(40).fill('0.1').join(','),
    })
    onTestFinished(impatient.stop)
    let hangs = true
    let underWay = 0
    const mostAtOnce: number[] = []
    const server = createServer((request, response) => {
      request.resume()
      mostAtOnce.push(++underWay)
      response.once('close', () => underWay--)
      if (!hangs) setTimeout(() => response.end(), 300)
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    onTestFinished(() => {
      server.close()
      server.closeAllConnections()
    })
    const { port } = server.address() as AddressInfo
    const { id, receive } = await instanceWith({ webhook_url: `http://127.0.0.1:${port}/` }, impatient.admin)
    await receive('first')
    await deliveryOnce(
      id,
      { attempts: expect.arrayContaining([expect.objectContaining({ error: 'timed out after 1 s' })]) },
      impatient.admin,
    )
    mostAtOnce.length = 0
    for (let n = 0; n < 12; n++) await receive(`A${n}`, numberOf(n))
    await vi.waitFor(() => expect(mostAtOnce.length).toBeGreaterThan(8), PATIENCE)
    expect(Math.max(...mostAtOnce)).toBeLessThan(FEW)
    hangs = false
    await vi.waitFor(
      async () => expect(await deliveriesOf(id, '?state=delivered', impatient.admin)).toHaveLength(13),
      PATIENCE,
    )
    expect(Math.max(...mostAtOnce)).toBeGreaterThan(FEW)
  })

  it('at a private address that was allowed once is refused when a delivery is due', async () => {
    const outbound = guardedPost({ guard: addressGuard([]), timeoutMs: 2000, connectionsPerOrigin: 4 })
    const strict = await startApp({ WEBHOOK_RETRY_SECONDS: '0.05' }, { post: outbound.post })
    onTestFinished(async () => {
      await strict.stop()
      await outbound.close()
    })
    const receiver = await receiverFor()
    const { id, receive } = await instanceWith({ webhook_url: receiver.url }, strict.admin)
    await receive('A1')
    const { attempts } = await deliveryOnce(id, { state: 'dead' }, strict.admin)
    expect(attempts).toHaveLength(2)
    expect(attempts[0]).toMatchObject({ status: null, error: expect.stringMatching(/private|not allowed/i) })
    expect(receiver.received).toEqual([])
  })
})
