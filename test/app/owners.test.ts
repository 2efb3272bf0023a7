import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { messageId } from '../../src/domain/ids.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Client, type Json } from '../support/client.ts'
import { createTestDatabase } from '../support/database.ts'
import { toAppend } from '../support/facts.ts'
import { startSessionNode, type SessionNode } from '../support/session-nodes.ts'
import { eventually } from '../support/eventually.ts'
import { instanceClient } from '../http/world.ts'

const ALL = 'api,projector,relay,gateway'
const MARIA = '5511988887777'
const JOHN = '5511977776666'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let one: SessionNode
let two: SessionNode
let instance: string
beforeAll(async () => {
  database = await createTestDatabase()
  one = await startSessionNode(database, 'one', ALL)
  two = await startSessionNode(database, 'two', ALL)
})
afterAll(async () => {
  await Promise.all([one.leave(), two.leave()])
  await database.drop()
})
beforeEach(async () => {
  instance = await createConnectedInstance(one.admin)
})

const lease = () => `instance-${instance}`
/** The node with the session, and the other one. */
const nodes = () =>
  eventually(() => {
    const [owner, second] = [one, two].filter(({ holds }) => holds(lease()))
    if (!owner || second) throw new Error('not one owner')
    return { owner, other: owner === one ? two : one }
  })
const move = async (isTold = true) => {
  const { owner, other } = await nodes()
  owner.take(lease(), isTold)
  await eventually(() => expect(other.holds(lease())).toBe(true))
  return { before: owner, after: other }
}
const phone = (client: Client, action: string, body: object = {}) =>
  client.post(`/sandbox/instances/${instance}/${action}`, body)
const isConnected = async ({ admin }: SessionNode) =>
  (await admin.get(`/instances/${instance}/status?realtime=true`)).body.data.connected
const connectedAt = (node: SessionNode) => eventually(async () => expect(await isConnected(node)).toBe(true))
const events = async () =>
  (await one.store.readStream(lease())).map(({ type, data }) => ({ type, ...data }) as Json)
const outbox = async ({ admin }: SessionNode): Promise<Json[]> =>
  (await admin.get(`/sandbox/instances/${instance}/outbox`)).body.data.messages
const send = (client: Client, recipient: string, message: string) =>
  client.post('/send-message', { instance_id: instance, recipient, message, queue: true })
const textsOf = (messages: Json[], number: string) =>
  messages.filter(({ to }) => to.startsWith(number)).map(({ text }) => text)

describe('a session is at one node', () => {
  it('and what only that node can do is done from every node', async () => {
    const { owner, other } = await nodes()
    for (const { admin } of [owner, other]) {
      const { status, body } = await phone(admin, 'incoming', { from: MARIA, text: 'hi', group: 'Team' })
      expect([status, body.success]).toEqual([200, true])
      const { groups } = (await admin.get(`/api/v1/instances/${instance}/groups`)).body.data
      expect(groups).toMatchObject([{ subject: 'Team' }])
      expect((await admin.get(`/instances/${instance}/status?realtime=true`)).body.data).toMatchObject({
        connected: true,
        realtime: true,
      })
    }
    const failure = { outcome: 'refuse', times: 1, reason: 'not on WhatsApp' }
    expect((await phone(other.admin, 'failures', failure)).status).toBe(200)
    expect((await send(other.admin, MARIA, 'refused')).body.error).toMatchObject({ code: 'SEND_FAILED' })
    expect(other.faults).toEqual([])
  })

  it('and what others are shown is shown there, whichever node is asked', async () => {
    const { owner, other } = await nodes()
    await phone(owner.admin, 'incoming', { from: MARIA, text: 'hi' })
    const [{ id }] = (await other.admin.get(`/conversations?instance_id=${instance}`)).body.data
    const presence = await other.admin.post(`/conversations/${id}/presence`, { state: 'composing' })
    expect(presence.status).toBe(200)
    expect((await other.admin.post(`/conversations/${id}/mark-read`)).status).toBe(200)
    await eventually(async () => {
      const { signs } = (await other.admin.get(`/sandbox/instances/${instance}/signs`)).body.data
      expect(signs).toMatchObject([{ kind: 'presence' }, { kind: 'read' }])
    })
    const code = await other.admin.post(`/instances/${instance}/pairing-code`, { phone_number: MARIA })
    expect(code.body.error).toMatchObject({ code: 'CONFLICT' })
  })

  it('which the token of the instance reaches from every node, and no other token does', async () => {
    const { other } = await nodes()
    const { token = '' } = await instanceClient(one.admin, instance)
    const at = `/instances/${instance}/groups`
    await eventually(async () => expect((await other.admin.as(token).get(at)).status).toBe(200))
    expect((await other.admin.as('sk_made_up').get(at)).status).toBe(401)
    const made = await other.admin.as(token).post(at, { subject: 'Team', participants: [MARIA] })
    expect(made.status).toBe(201)
    const { jid } = made.body.data.group
    expect((await other.admin.get(`${at}/${jid}`)).body.data).toMatchObject({ jid, subject: 'Team' })
    const foreign = await createConnectedInstance(one.admin)
    expect((await other.admin.as(token).get(`/instances/${foreign}/groups`)).status).toBe(404)
  })

  it('until it is closed: then no node has it, and it can be opened again', async () => {
    const { other } = await nodes()
    expect((await other.admin.post(`/instances/${instance}/disconnect`)).status).toBe(200)
    await eventually(() => expect([one, two].some(({ holds }) => holds(lease()))).toBe(false))
    const { status, body } = await other.admin.get(`/instances/${instance}/groups`)
    expect([status, body.error.code]).toEqual([409, 'INSTANCE_NOT_CONNECTED'])
    await other.admin.post(`/instances/${instance}/reconnect`)
    await connectedAt(other)
  })

  it.each(['open', 'closed'])('and a phone is forgotten with its instance that was %s', async (state) => {
    await nodes()
    if (state === 'closed') {
      await one.admin.post(`/instances/${instance}/disconnect`)
      await eventually(() => expect([one, two].some(({ holds }) => holds(lease()))).toBe(false))
    }
    expect((await one.admin.delete(`/instances/${instance}`)).status).toBe(200)
    const phones = () => one.pool.query('select 1 from sandbox_phone where instance_id = $1', [instance])
    await eventually(async () => expect((await phones()).rowCount).toBe(0))
    await eventually(() => expect([one, two].some(({ holds }) => holds(lease()))).toBe(false))
  })
})

describe('when a node loses the lease', () => {
  it('another one goes on with the session: the phone stays paired, and nobody hears of a loss', async () => {
    const past = await events()
    const { before: old, after } = await move()
    await connectedAt(after)
    await connectedAt(old)
    expect(await events()).toEqual([
      ...past,
      { type: 'InstanceAssigned', node: after.node.name, term: 2, at: expect.any(String) },
    ])
    old.wake()
    expect((await phone(old.admin, 'incoming', { from: MARIA, text: 'hi' })).status).toBe(200)
  })

  it('and does not notice, it cannot say any more how the connection is', async () => {
    const { before: stopped, after } = await move(false)
    await connectedAt(after)
    const told = await events()
    // Its own session is still open there, and loses its network.
    expect((await phone(stopped.admin, 'disconnect')).body.data).toEqual({ status: 'offline' })
    expect((await phone(stopped.admin, 'connect')).body.data).toEqual({ status: 'connected' })
    expect((await phone(stopped.admin, 'disconnect')).status).toBe(200)
    expect(await events()).toEqual(told)
    expect((await after.admin.get(`/instances/${instance}/status`)).body.data.status).toBe('connected')
    // What was said is true, whoever heard it.
    stopped.wake()
    await eventually(async () =>
      expect((await phone(stopped.admin, 'incoming', { from: MARIA, text: 'hi' })).status).toBe(200),
    )
    expect(await events()).toEqual(told)
    // The new owner's word counts.
    expect((await phone(stopped.admin, 'disconnect')).status).toBe(200)
    expect((await events()).at(-1)).toMatchObject({ type: 'InstanceDisconnected', status: 'offline' })
  })

  it('what it heard from people meanwhile is kept', async () => {
    const { before: stopped, after } = await move(false)
    await connectedAt(after)
    const heard = await phone(stopped.admin, 'incoming', { from: MARIA, text: 'still here' })
    expect(heard.status).toBe(200)
    const id = messageId(instance, heard.body.data.message_id)
    expect((await one.store.readStream(`message-${id}`)).map(({ type }) => type)).toEqual(['MessageReceived'])
    stopped.wake()
  })

  it('and does not notice, it cannot give up what the new owner sends', async () => {
    const { before: stopped, after } = await move(false)
    await connectedAt(after)
    const failure = { outcome: 'refuse', times: 100, reason: 'not on WhatsApp' }
    expect((await phone(stopped.admin, 'failures', failure)).status).toBe(200)
    const slow = { outcome: 'slow', times: 100, delay_ms: 500 }
    expect((await phone(after.admin, 'failures', slow)).status).toBe(200)
    for (const text of ['a', 'b'])
      expect(await send(after.admin, MARIA, text)).toMatchObject({ status: 200, body: { status: 'sent' } })
    stopped.wake()
  })

  it('messages go out once and in order, however often the session moves', async () => {
    const texts = Array.from({ length: 40 }, (_, n) => `m${n}`)
    for (const [n, text] of texts.entries()) {
      const { admin } = n % 3 === 0 ? one : two
      await send(admin, n % 2 === 0 ? MARIA : JOHN, text)
      if (n % 10 === 4) await move(n % 20 === 4)
      if (n % 10 === 9) [one, two].forEach(({ wake }) => wake())
    }
    const found = await eventually(async () => {
      const messages = await outbox(two)
      expect(messages).toHaveLength(texts.length)
      return messages
    })
    expect(textsOf(found, MARIA)).toEqual(texts.filter((_, n) => n % 2 === 0))
    expect(textsOf(found, JOHN)).toEqual(texts.filter((_, n) => n % 2 === 1))
    await eventually(async () => {
      const { rows } = await one.pool.query('select 1 from outbox where instance_id = $1', [instance])
      expect(rows).toEqual([])
    })
    ;[one, two].forEach(({ wake }) => wake())
  })

  it('and the leases are counted anew, the log counts on', async () => {
    const past = await one.store.readStream(lease())
    const assigned = { node: 'of before', term: 5000, at: new Date().toISOString() }
    const { tenant } = past[0]?.meta ?? { tenant: '' }
    await one.store.append(lease(), past.length - 1, [
      toAppend({ type: 'InstanceAssigned', data: assigned }, { tenant }),
    ])
    const { before: old, after } = await move()
    await connectedAt(after)
    expect((await events()).at(-1)).toMatchObject({ node: after.node.name, term: 5001 })
    await phone(after.admin, 'disconnect')
    expect((await events()).at(-1)).toMatchObject({ type: 'InstanceDisconnected', status: 'offline' })
    old.wake()
  })
})

describe('nodes that come and go', () => {
  /** A database of its own, for nodes of its own. */
  const startDatabase = async () => {
    const own = await createTestDatabase()
    onTestFinished(() => own.drop())
    return own
  }
  const startOn = async (
    own: Awaited<ReturnType<typeof createTestDatabase>>,
    name: string,
    roles: string,
  ) => {
    const node = await startSessionNode(own, name, roles, { SEND_TIMEOUT_SECONDS: '2' })
    let hasLeft = false
    const leave = async () => {
      if (!hasLeft) await node.leave()
      hasLeft = true
    }
    onTestFinished(leave)
    return { ...node, leave }
  }

  it('what was queued while no node had the session goes out once, and in order, before what comes later', async () => {
    const own = await startDatabase()
    const first = await startOn(own, 'first', ALL)
    instance = await createConnectedInstance(first.admin)
    first.take(lease())
    await eventually(async () => expect(await isConnected(first)).toBe(false))
    for (const text of ['a', 'b', 'c'])
      expect((await send(first.admin, MARIA, text)).body.status).toBe('queued')
    const second = await startOn(own, 'second', 'api,projector,gateway')
    expect((await send(second.admin, MARIA, 'd')).body.status).toBe('sent')
    const rows = () => second.pool.query('select times_received, content from sandbox_outbox order by seq')
    expect((await rows()).rows).toEqual(
      ['a', 'b', 'c', 'd'].map((text) => ({ times_received: 1, content: { kind: 'text', text } })),
    )
  })

  it('without a gateway anywhere, a call that needs one says so', async () => {
    const own = await startDatabase()
    const first = await startOn(own, 'first', 'api,projector')
    const { body } = await first.admin.post('/instances', { name: 'Shop', provider: 'sandbox' })
    instance = body.data.instance.uuid
    for (const answer of [
      await first.admin.get(`/instances/${instance}/groups`),
      await phone(first.admin, 'scan'),
    ]) {
      expect([answer.status, answer.body.error.code]).toEqual([503, 'UNAVAILABLE'])
      expect(answer.body.error.message).toMatch(/No node has the connection/)
    }
    expect(await isConnected(first)).toBe(false)
  })

  it('a node with the role gateway alone has the sessions; another one has the API', async () => {
    const own = await startDatabase()
    const api = await startOn(own, 'api', 'api,projector,relay')
    const gateway = await startOn(own, 'gateway', 'projector,gateway')
    instance = await createConnectedInstance(api.admin)
    expect((await send(api.admin, MARIA, 'hi')).body.status).toBe('sent')
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200)
    expect((await fetch(`${gateway.url}/instances`)).status).toBe(503)
    await gateway.leave()
    const { status, body } = await api.admin.get(`/instances/${instance}/groups`)
    expect([status, body.error.code]).toEqual([503, 'UNAVAILABLE'])
  })

  it('a program that is alone writes nothing about owners, however often it starts', async () => {
    const own = await startDatabase()
    const first = await startApp({}, {}, own)
    instance = await createConnectedInstance(first.admin)
    const told = (await first.store.readStream(lease())).length
    await first.leave()
    for (let n = 0; n < 2; n++) {
      const again = await startApp({}, {}, own)
      await eventually(async () => {
        const { body } = await again.admin.get(`/instances/${instance}/status?realtime=true`)
        expect(body.data.connected).toBe(true)
      })
      expect(await again.store.readStream(lease())).toHaveLength(told)
      await again.leave()
    }
  })
})
