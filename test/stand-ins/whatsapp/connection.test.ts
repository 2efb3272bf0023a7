import { describe, expect, it } from 'vitest'
import { whatsAppForEach } from '../../support/whatsapp.ts'

const world = whatsAppForEach()

describe('A client that is logged in', () => {
  it('hears of the errors that a server ends a stream with', async () => {
    const client = await world.linked()
    for (const code of [411, 428, 500, 503, 515]) {
      world.shop.streamError(code)
      expect(await client.closed()).toBe(code)
      await client.connect()
    }
  })

  it('hears 401 when the phone unlinks it, and at its next login', async () => {
    const client = await world.linked()
    world.shop.unlink()
    expect(await client.closed()).toBe(401)
    client.open()
    expect(await client.closed()).toBe(401)
  })

  it('hears 440 when somebody else logs in with its keys', async () => {
    const first = await world.linked()
    const second = world.client()
    Object.assign(second.auth, first.auth)
    await second.connect()
    expect(await first.closed()).toBe(440)
    expect(world.shop.devices.get(1)?.logins).toBe(2)
  })

  it('hears 440 from a server that says so', async () => {
    const client = await world.linked()
    world.shop.streamError('replaced')
    expect(await client.closed()).toBe(440)
  })

  it('hears 428 when the network is gone', async () => {
    const client = await world.linked()
    world.shop.drop()
    expect(await client.closed()).toBe(428)
  })

  it('finds with 408 that the server has fallen silent', async () => {
    const client = await world.linked({ keepAliveIntervalMs: 200 })
    world.whatsApp.faults.iq = () => 'silence'
    expect(await client.closed()).toBe(408)
  })

  it('finds with 408 that the network swallows everything', async () => {
    const client = await world.linked({ keepAliveIntervalMs: 200 })
    const { ws } = client.socket
    const close = ws.close.bind(ws)
    // It would wait half a minute for a goodbye that does not come.
    ws.close = async () => {
      world.shop.drop()
      await close()
    }
    world.shop.hang()
    expect(await client.closed()).toBe(408)
  })

  it('logs out: the phone knows it no more', async () => {
    const client = await world.linked()
    await client.socket.logout()
    expect(await client.closed()).toBe(401)
    await expect.poll(() => world.shop.devices.size).toBe(0)
  })

  it('waits for ever for a query that is not answered', async () => {
    const client = await world.linked({ defaultQueryTimeoutMs: undefined })
    world.whatsApp.faults.iq = (iq) => (iq.attrs.xmlns === 'usync' ? 'silence' : undefined)
    const asked = client.socket.onWhatsApp(world.alice.phoneNumber).then(
      () => 'answered',
      () => 'rejected',
    )
    const { node } = await world.whatsApp.stanzas.first(
      ({ direction, node: { attrs } }) => direction === 'from-client' && attrs.xmlns === 'usync',
      world.whatsApp.stanzas.all.length,
    )
    world.shop.drop()
    expect(await asked).toBe('rejected')
    const answers = world.whatsApp.stanzas.all.filter(
      (seen) => seen.direction === 'to-client' && seen.node.attrs.id === node.attrs.id,
    )
    expect(answers).toEqual([])
  })
})

describe('A client that logs in', () => {
  it('is refused for the reason that the server gives', async () => {
    const client = await world.linked()
    world.shop.drop()
    await client.closed()
    for (const reason of [401, 402, 403, 405, 406, 500, 503]) {
      world.whatsApp.faults.login = reason
      client.open()
      expect(await client.closed()).toBe(reason)
    }
    world.whatsApp.faults.login = undefined
    await client.connect()
  })

  it('finds an HTTP status where the server takes no connections', async () => {
    world.whatsApp.faults.upgrade = 503
    const client = world.client()
    const socket = client.open()
    socket.ws.on('unexpected-response', (_request: unknown, { statusCode }: { statusCode: number }) => {
      void socket.end(
        Object.assign(new Error('The server takes no connections.'), { output: { statusCode } }),
      )
    })
    expect(await client.closed()).toBe(503)
  })
})

describe('The backlog of a client', () => {
  it('is what came while it was away', async () => {
    const client = await world.linked()
    await client.end()
    const id = await world.alice.writeTo(world.shop, 'while you were away')
    await client.connect()
    const message = await client.message(({ key }) => key.id === id)
    expect(client.text(message)).toBe('while you were away')
    expect(world.whatsApp.stanzas.all.some(({ node }) => node.attrs.id === id && node.attrs.offline)).toBe(
      true,
    )
    await expect.poll(() => world.shop.devices.get(1)?.queue).toEqual([])
  })

  it('holds a message until the client has acknowledged it', async () => {
    const client = await world.linked()
    const device = world.shop.devices.get(1)
    await client.end()
    await world.alice.writeTo(world.shop, 'one')
    await world.alice.writeTo(world.shop, 'two')
    expect(device?.queue.map(({ tag }) => tag)).toEqual(['message', 'message'])
    await client.connect()
    await world.alice.receiptSeen(({ type }) => type === 'inactive')
    await expect.poll(() => device?.queue).toEqual([])
  })

  it('may not end: the client holds back what it has acknowledged', async () => {
    const client = await world.linked()
    await client.end()
    const id = await world.alice.writeTo(world.shop, 'held back')
    world.whatsApp.faults.backlogMarkerWithheld = true
    client.open()
    await world.alice.receiptSeen(({ ids }) => ids.includes(id))
    expect(client.messages().some(({ key }) => key.id === id)).toBe(false)
    expect(client.socket.ev.isBuffering()).toBe(true)
    client.socket.ev.flush()
    await client.message(({ key }) => key.id === id)
  })
})
