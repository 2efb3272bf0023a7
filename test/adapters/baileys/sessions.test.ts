import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import { sessionOf } from '../../contracts/gateway.ts'
import { testPool } from '../../support/database.ts'
import { PATIENCE, startGateway } from './whatsapp.ts'

const rowsOf = async (pool: { query(text: string): Promise<{ rows: { count: string }[] }> }, table: string) =>
  Number((await pool.query(`select count(*) from ${table}`)).rows[0]?.count)

describe('pairing by QR code', () => {
  it('is followed by a login, and reports the number once', async () => {
    const { paired, status } = await startGateway()
    const shop = await paired()
    await status(shop, { status: 'connected', phoneNumber: shop.owner.phoneNumber })
    expect(shop.connections.map(({ status }) => status)).toEqual(['qr_ready', 'connected'])
  })

  it('says until when the code can be scanned: a minute for the first', async () => {
    const { opened, qrOf } = await startGateway()
    const before = Date.now()
    const shop = await opened()
    expect(await qrOf(shop)).toMatch(/^https:\/\/wa\.me\/settings\/linked_devices#2@[^,]+(,[^,]+){4}$/)
    const report = shop.connections.at(-1)
    const expiresAt = report?.status === 'qr_ready' ? Date.parse(report.expiresAt ?? '') : 0
    expect(expiresAt - before).toBeGreaterThanOrEqual(60_000)
    expect(expiresAt - Date.now()).toBeLessThanOrEqual(60_000)
  })

  it('shows a code with a new secret when WhatsApp retires the one that was scanned', async () => {
    const { whatsApp, opened, qrOf, isConnected } = await startGateway()
    whatsApp.faults.refreshOnScan = true
    const owner = whatsApp.person('Shop')
    const shop = await opened()
    const first = await qrOf(shop)
    await expect(owner.scan(first)).rejects.toThrow('scan the new QR')
    await owner.scan(await qrOf(shop, first))
    await isConnected(shop)
  })

  it('stops when no code was scanned, says so, and shows new ones when it is opened again', async () => {
    const { whatsApp, gateway, opened, qrOf, status } = await startGateway()
    whatsApp.faults.qrRefs = 0
    const shop = await opened()
    await status(shop, { status: 'disconnected', reason: 'qr_expired' })
    await vi.waitFor(() => expect(whatsApp.connections.size).toBe(0), PATIENCE)
    whatsApp.faults.qrRefs = 6
    await gateway.open(sessionOf(shop.instanceId), shop.listener)
    await qrOf(shop)
  })
})

describe('pairing by code', () => {
  it('connects when the code is typed on the phone', async () => {
    const { gateway, whatsApp, opened, qrOf, isConnected } = await startGateway()
    const owner = whatsApp.person('Shop')
    const shop = await opened()
    await qrOf(shop)
    const code = await gateway.pairingCode(shop.instanceId, owner.phoneNumber)
    expect(code).toMatch(/^[A-Z0-9]{8}$/)
    await owner.enterCode(code)
    await isConnected(shop)
  })

  it('is refused where WhatsApp refuses it, whatever the library made up, and a new try is open', async () => {
    const { gateway, whatsApp, opened, isConnected } = await startGateway()
    const owner = whatsApp.person('Shop')
    const shop = await opened()
    whatsApp.faults.pairingCode = 429
    const refused = gateway.pairingCode(shop.instanceId, owner.phoneNumber)
    await expect(refused).rejects.toMatchObject({
      code: 'REFUSED_BY_WHATSAPP',
      message: expect.stringContaining('429'),
    })
    whatsApp.faults.pairingCode = undefined
    await owner.enterCode(await gateway.pairingCode(shop.instanceId, owner.phoneNumber))
    await isConnected(shop)
  })

  it('can be asked for anew at once, however often, whatever connections that took', async () => {
    const slowly = { backoff: { minMs: 600_000, maxMs: 600_000 }, codeMs: 5000 }
    const { gateway, whatsApp, opened, isConnected } = await startGateway({ timing: slowly, random: () => 1 })
    const owner = whatsApp.person('Shop')
    const { instanceId } = await opened()
    const codes = []
    for (let n = 0; n < 3; n++) codes.push(await gateway.pairingCode(instanceId, owner.phoneNumber))
    expect(new Set(codes).size).toBe(3)
    await owner.enterCode(codes.at(-1) ?? '')
    await isConnected({ instanceId })
  })

  it('leaves nothing behind that would break a pairing by QR code after it', async () => {
    const { gateway, whatsApp, opened, qrOf, isConnected } = await startGateway()
    const owner = whatsApp.person('Shop')
    const shop = await opened()
    await gateway.pairingCode(shop.instanceId, owner.phoneNumber)
    const shown = await qrOf(shop)
    for (const connection of whatsApp.connections) connection.drop()
    await owner.scan(await qrOf(shop, shown))
    await isConnected(shop)
    expect(shop.connections.map(({ status }) => status)).not.toContain('disconnected')
  })

  it('is refused at once where the session stops while it is asked for', async () => {
    const { gateway, whatsApp, opened, qrOf } = await startGateway()
    const shop = await opened()
    await qrOf(shop)
    whatsApp.faults.qrRefs = 0
    await expect(gateway.pairingCode(shop.instanceId, '5511999999999')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    await expect(gateway.pairingCode(shop.instanceId, '5511999999999')).rejects.toMatchObject({
      code: 'INSTANCE_NOT_CONNECTED',
      message: expect.stringContaining('Reconnect it'),
    })
  })

  it('is a conflict where a phone is paired, and needs an open session', async () => {
    const { gateway, paired } = await startGateway()
    const { instanceId, owner } = await paired()
    await expect(gateway.pairingCode(instanceId, owner.phoneNumber)).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    await gateway.close(instanceId, { forget: false })
    await expect(gateway.pairingCode(instanceId, owner.phoneNumber)).rejects.toMatchObject({
      code: 'INSTANCE_NOT_CONNECTED',
      message: expect.stringContaining('Reconnect it'),
    })
  })
})

describe('a connection that ends', () => {
  it('is made again after a drop, and nobody is told of a moment', async () => {
    const { gateway, paired, isConnected } = await startGateway()
    const shop = await paired()
    shop.owner.drop()
    await vi.waitFor(() => expect(gateway.connected(shop.instanceId)).toBe(false), PATIENCE)
    await isConnected(shop)
    await vi.waitFor(
      () =>
        expect(shop.connections.map(({ status }) => status)).toEqual(['qr_ready', 'connected', 'connected']),
      PATIENCE,
    )
  })

  it('is offline, to those outside, when it does not come back soon', async () => {
    const { whatsApp, paired, status, isConnected } = await startGateway({ timing: { offlineAfterMs: 50 } })
    const shop = await paired()
    whatsApp.faults.upgrade = 503
    shop.owner.drop()
    await status(shop, { status: 'offline', reason: 'connection_lost' })
    whatsApp.faults.upgrade = undefined
    await isConnected(shop)
    await status(shop, { status: 'connected', phoneNumber: shop.owner.phoneNumber })
  })

  it('is offline again when it is opened anew and does not come back then, either', async () => {
    const { whatsApp, gateway, paired, status, isConnected } = await startGateway({
      timing: { offlineAfterMs: 50 },
    })
    const shop = await paired()
    await status(shop, { status: 'connected' })
    const before = shop.connections.length
    const since = (...statuses: string[]) =>
      vi.waitFor(
        () => expect(shop.connections.slice(before).map((report) => report.status)).toEqual(statuses),
        PATIENCE,
      )
    whatsApp.faults.upgrade = 503
    shop.owner.drop()
    await since('offline')
    await gateway.open(sessionOf(shop.instanceId), shop.listener)
    await since('offline', 'offline')
    whatsApp.faults.upgrade = undefined
    await isConnected(shop)
  })

  it.each([401, 403])('keeps the pairing when a proxy answers %s', async (upgrade) => {
    const { logs, whatsApp, paired, isConnected } = await startGateway()
    const shop = await paired()
    whatsApp.faults.upgrade = upgrade
    shop.owner.drop()
    const reasons = () => JSON.stringify(logs.map(({ fields }) => fields))
    await vi.waitFor(() => expect(reasons()).toContain(`HTTP ${upgrade}`), PATIENCE)
    whatsApp.faults.upgrade = undefined
    await isConnected(shop)
    expect(shop.owner.devices.size).toBe(1)
  })

  it.each([503, 500, 515])('is made again after a stream error %s', async (code) => {
    const { paired, whatsApp, isConnected } = await startGateway()
    const shop = await paired()
    const [device] = shop.owner.devices.values()
    const logins = device?.logins ?? 0
    shop.owner.streamError(code)
    await vi.waitFor(() => expect(device?.logins).toBeGreaterThan(logins), PATIENCE)
    await isConnected(shop)
    expect(whatsApp.errors).toEqual([])
  })

  it('is over when the phone unlinks it: keys go, and it can be paired again', async () => {
    const { gateway, whatsApp, pool, paired, qrOf, status, isConnected } = await startGateway()
    const shop = await paired()
    shop.owner.unlink()
    await status(shop, { status: 'disconnected', reason: 'logged_out' })
    expect(await rowsOf(pool, 'whatsapp_key')).toBe(0)
    await gateway.open(sessionOf(shop.instanceId), shop.listener)
    await whatsApp.person('Other').scan(await qrOf(shop))
    await isConnected(shop)
  })

  it.each([402, 403, 406])(
    'is over when WhatsApp blocks the account (%s): an alarm, and the keys stay',
    async (code) => {
      const { whatsApp, pool, logs, paired, status } = await startGateway()
      const shop = await paired()
      whatsApp.faults.login = code
      shop.owner.drop()
      await status(shop, { status: 'disconnected', reason: 'account_blocked' })
      expect(await rowsOf(pool, 'whatsapp_key')).toBeGreaterThan(0)
      expect(logs.find(({ level }) => level === 'error')?.text).toContain(String(code))
      whatsApp.faults.login = undefined
    },
  )

  it('tries on, with an alarm, when its version is too old', async () => {
    const { whatsApp, logs, paired, isConnected } = await startGateway()
    const shop = await paired()
    whatsApp.faults.login = 405
    shop.owner.drop()
    await vi.waitFor(() => expect(logs.map(({ text }) => text).join()).toContain('405'), PATIENCE)
    whatsApp.faults.login = undefined
    await isConnected(shop)
  })

  it('gives way to another connection with the same keys after one more try', async () => {
    const { whatsApp, paired, status } = await startGateway()
    const shop = await paired()
    const [device] = shop.owner.devices.values()
    const logins = device?.logins ?? 0
    shop.owner.streamError('replaced')
    await vi.waitFor(() => expect(device?.logins).toBe(logins + 1), PATIENCE)
    shop.owner.streamError('replaced')
    await status(shop, { status: 'disconnected', reason: 'replaced' })
    await vi.waitFor(() => expect(whatsApp.connections.size).toBe(0), PATIENCE)
  })

  it('is given up and made again when there is neither a QR code nor a login in time', async () => {
    const mute = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(mute, 'listening')
    let connections = 0
    mute.on('connection', () => {
      connections += 1
    })
    onTestFinished(() => {
      for (const client of mute.clients) client.terminate()
      mute.close()
    })
    const { port } = mute.address() as AddressInfo
    const { opened } = await startGateway({ url: `ws://127.0.0.1:${port}`, timing: { loginMs: 100 } })
    await opened()
    await vi.waitFor(() => expect(connections).toBeGreaterThan(2), PATIENCE)
  })

  it('logs in few at once, and all in the end', async () => {
    const { whatsApp, gateway, opened } = await startGateway()
    const shops = await Promise.all(Array.from({ length: 12 }, () => opened()))
    await vi.waitFor(() => expect(whatsApp.connections.size).toBe(12), PATIENCE)
    expect(shops.map(({ instanceId }) => gateway.connected(instanceId))).not.toContain(true)
  })
})

describe('opening and closing', () => {
  it('opening answers without WhatsApp', async () => {
    const { gateway, whatsApp, opened } = await startGateway()
    whatsApp.faults.upgrade = 503
    const shop = await opened()
    expect(gateway.connected(shop.instanceId)).toBe(false)
  })

  it('closed for a while, it stays paired', async () => {
    const { gateway, paired, isConnected } = await startGateway()
    const shop = await paired()
    await gateway.close(shop.instanceId, { forget: false })
    expect(gateway.connected(shop.instanceId)).toBe(false)
    expect(shop.owner.devices.size).toBe(1)
    await gateway.open(sessionOf(shop.instanceId), shop.listener)
    await isConnected(shop)
  })

  it('forgotten, it is gone from the phone and from the database', async () => {
    const { gateway, pool, paired } = await startGateway()
    const shop = await paired()
    await gateway.close(shop.instanceId, { forget: true })
    await vi.waitFor(() => expect(shop.owner.devices.size).toBe(0), PATIENCE)
    for (const table of ['whatsapp_session', 'whatsapp_key', 'whatsapp_message', 'whatsapp_inbound'])
      expect(await rowsOf(pool, table), table).toBe(0)
  })

  it('forgotten while it is closed, it is gone from both as well', async () => {
    const { gateway, whatsApp, pool, paired } = await startGateway()
    const shop = await paired()
    await gateway.close(shop.instanceId, { forget: false })
    await gateway.close(shop.instanceId, { forget: true })
    await vi.waitFor(() => expect(shop.owner.devices.size).toBe(0), PATIENCE)
    expect(await rowsOf(pool, 'whatsapp_session')).toBe(0)
    await vi.waitFor(() => expect(whatsApp.connections.size).toBe(0), PATIENCE)
  })

  it('forgotten while nobody can be reached, it is gone from the database, in time', async () => {
    const { gateway, whatsApp, pool, logs, paired } = await startGateway({ timing: { goodbyeMs: 300 } })
    const refused = await paired('Refused')
    const unheard = await paired('Unheard')
    whatsApp.faults.upgrade = 503
    refused.owner.drop()
    await vi.waitFor(() => expect(gateway.connected(refused.instanceId)).toBe(false), PATIENCE)
    await gateway.close(refused.instanceId, { forget: true })
    whatsApp.faults.upgrade = undefined
    whatsApp.faults.iq = () => 'silence'
    await gateway.close(unheard.instanceId, { forget: false })
    await gateway.close(unheard.instanceId, { forget: true })
    expect(await rowsOf(pool, 'whatsapp_session')).toBe(0)
    expect(logs.filter(({ text }) => text === 'the phone still lists this device')).toHaveLength(2)
    await vi.waitFor(() => expect(whatsApp.connections.size).toBe(0), PATIENCE)
  })

  it('a stop ends every connection and reports nothing', async () => {
    const { gateway, whatsApp, paired, opened, qrOf } = await startGateway()
    const shops = [await paired('One'), await paired('Two')]
    const waiting = await opened()
    await qrOf(waiting)
    const told = [...shops, waiting].map(({ connections }) => connections.length)
    await gateway.stop()
    await vi.waitFor(() => expect(whatsApp.connections.size).toBe(0), PATIENCE)
    expect([...shops, waiting].map(({ connections }) => connections.length)).toEqual(told)
    expect(shops.map(({ owner }) => owner.devices.size)).toEqual([1, 1])
  })

  it('an owner that was overtaken ends its connection and says nothing more', async () => {
    const { whatsApp, pool, paired, logs } = await startGateway()
    const shop = await paired()
    const told = shop.connections.length
    await pool.query('update whatsapp_session set term = term + 1, opening = gen_random_uuid()')
    await whatsApp.person('Maria').writeTo(shop.owner, 'Hello')
    await vi.waitFor(
      () => expect(logs.map(({ text }) => text)).toContain('another owner has the session'),
      PATIENCE,
    )
    await vi.waitFor(() => expect(whatsApp.connections.size).toBe(0), PATIENCE)
    expect(shop.connections.length).toBe(told)
  })

  it('what one that stopped could not report is not reported once it is open again', async () => {
    const { whatsApp, gateway, paired, qrOf, logs } = await startGateway()
    const shop = await paired()
    await vi.waitFor(() => expect(shop.connections.at(-1)?.status).toBe('connected'), PATIENCE)
    shop.refuse(1_000_000)
    shop.owner.unlink()
    await vi.waitFor(() => expect(JSON.stringify(logs)).toContain('logged_out'), PATIENCE)
    await gateway.open(sessionOf(shop.instanceId), shop.listener)
    await vi.waitFor(() => expect(whatsApp.connections.size).toBe(1), PATIENCE)
    shop.refuse(0)
    await qrOf(shop)
    const reported = shop.connections.map(({ status }) => status)
    expect(reported).toEqual(['qr_ready', 'connected', 'qr_ready'])
  })

  it('opened while the keys of the last pairing are still being deleted, it begins without them', async () => {
    const pool = await testPool()
    const connect = pool.connect.bind(pool)
    let wipe: () => void = () => undefined
    const mayWipe = new Promise<void>((resolve) => {
      wipe = resolve
    })
    // Of what a session does, only this takes a connection for itself; queries do so inside, with a callback.
    const taking = vi.spyOn(pool, 'connect').mockImplementation((...given: unknown[]) => {
      if (given.length > 0) return Reflect.apply(connect, pool, given)
      return mayWipe.then(() => connect())
    })
    const isWiping = () => taking.mock.calls.some((given: unknown[]) => given.length === 0)
    const { gateway, paired, qrOf } = await startGateway({ pool })
    const shop = await paired()
    shop.owner.unlink()
    await vi.waitFor(() => expect(isWiping()).toBe(true), PATIENCE)
    const opening = gateway.open(sessionOf(shop.instanceId), shop.listener)
    wipe()
    await opening
    await qrOf(shop)
  })

  it('a report that could not be stored is made again', async () => {
    const { whatsApp, gateway, opened, qrOf, status } = await startGateway()
    const owner = whatsApp.person('Shop')
    const shop = await opened()
    const qr = await qrOf(shop)
    shop.refuse(2)
    await owner.scan(qr)
    await vi.waitFor(() => expect(gateway.connected(shop.instanceId)).toBe(true), PATIENCE)
    await status(shop, { status: 'connected', phoneNumber: owner.phoneNumber })
  })
})
