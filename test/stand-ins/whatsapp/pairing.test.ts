import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { whatsAppForEach } from '../../support/whatsapp.ts'
import { startWhatsApp, trustWhatsApp } from './whatsapp.ts'

const world = whatsAppForEach()

describe('A client that shows a QR', () => {
  it('is linked by a scan, told to connect anew, and logs in', async () => {
    const client = world.client()
    client.open()
    const device = await world.shop.scan(await client.qr())
    expect(await client.closed()).toBe(515)
    await client.connect()
    expect(client.socket.user).toMatchObject({
      id: world.shop.address('pn', 1),
      lid: world.shop.address('lid', 1),
    })
    expect(device.logins).toBe(1)
    expect(client.auth.creds.account?.accountSignatureKey).toBeTruthy()
  })

  it('shows as many as the server gives references, and ends with 408', async () => {
    world.whatsApp.faults.qrRefs = 2
    const client = world.client({ qrTimeout: 50 })
    client.open()
    expect(await client.closed()).toBe(408)
    const shown = client.events.all.flatMap((batch) => batch['connection.update']?.qr ?? [])
    expect(new Set(shown).size).toBe(2)
  })

  it('is not linked by a QR with another secret', async () => {
    const client = world.client()
    client.open()
    const parts = (await client.qr()).split(',')
    parts[3] = Buffer.alloc(32).toString('base64')
    await expect(world.shop.scan(parts.join(','))).rejects.toThrow('The client left')
    expect(world.shop.devices.size).toBe(0)
  })

  it('is not linked by an account that signs with another key', async () => {
    world.whatsApp.faults.forgedAccountSignature = true
    const client = world.client()
    client.open()
    await expect(world.shop.scan(await client.qr())).rejects.toThrow('The client left')
  })

  it('has to show a new secret once the server retires the one it shows', async () => {
    world.whatsApp.faults.refreshOnScan = true
    const client = world.client()
    client.open()
    const qr = await client.qr()
    await expect(world.shop.scan(qr)).rejects.toThrow('scan the new QR')
    await expect(world.shop.scan(qr)).rejects.toThrow('was retired')
    const secret = Buffer.alloc(32, 7).toString('base64')
    client.auth.creds.advSecretKey = secret
    const renewed = qr.split(',')
    renewed[3] = secret
    await world.shop.scan(renewed.join(','))
    expect(await client.closed()).toBe(515)
  })

  it('cannot be scanned when it has left', async () => {
    const client = world.client()
    client.open()
    const qr = await client.qr()
    for (const connection of world.whatsApp.connections) connection.drop()
    await client.closed()
    await expect(world.shop.scan(qr)).rejects.toThrow('not valid')
  })
})

describe('A client that asks for a pairing code', () => {
  const ask = async () => {
    const client = world.client()
    client.open()
    await client.qr()
    const code = await client.socket.requestPairingCode(world.shop.phoneNumber)
    return { client, code }
  }
  const answered = () =>
    world.whatsApp.stanzas.first(
      ({ direction, node }) =>
        direction === 'to-client' &&
        node.tag === 'iq' &&
        ['result', 'error'].includes(node.attrs.type ?? '') &&
        node.content !== undefined,
    )

  it('is linked when the code is typed on the phone', async () => {
    const { client, code } = await ask()
    await answered()
    await world.shop.enterCode(code)
    expect(await client.closed()).toBe(515)
    await client.connect()
    expect(client.socket.user?.id).toBe(world.shop.address('pn', 1))
  })

  it('is not linked when another code is typed', async () => {
    await ask()
    await answered()
    await expect(world.shop.enterCode('ABCDEFGH')).rejects.toThrow('not the code')
    expect(world.shop.devices.size).toBe(0)
  })

  it.each([400, 429])('is refused with %i, and has a code all the same', async (status) => {
    world.whatsApp.faults.pairingCode = status
    const { code } = await ask()
    expect(code).toHaveLength(8)
    const { node } = await answered()
    expect(node).toMatchObject({ attrs: { type: 'error' }, content: [{ attrs: { code: String(status) } }] })
    await expect(world.shop.enterCode(code)).rejects.toThrow('No client asked')
  })

  it('is no login yet: its next connection is refused', async () => {
    const { client } = await ask()
    await answered()
    for (const connection of world.whatsApp.connections) connection.drop()
    await client.closed()
    client.open()
    expect(await client.closed()).toBe(401)
  })
})

describe('A server', () => {
  it('is not trusted with a certificate of somebody else', async () => {
    const forger = await startWhatsApp({ forgedCertificate: true })
    const distrust = trustWhatsApp(forger.rootKey)
    const client = world.client({ waWebSocketUrl: forger.url })
    client.open()
    expect(await client.closed()).toBe(400)
    distrust()
    await forger.stop()
  })

  it('is trusted by another process only if that was told its key', async () => {
    const { url, rootKey } = world.whatsApp
    const harden = new URL('../../../src/adapters/baileys/harden.ts', import.meta.url).href
    const program = `
      import { initAuthCreds, makeWASocket } from '@whiskeysockets/baileys'
      import { pino } from 'pino'
      import { harden } from '${harden}'
      harden()
      const auth = { creds: initAuthCreds(), keys: { get: async () => ({}), set: async () => {} } }
      const socket = makeWASocket({ auth, waWebSocketUrl: '${url}', logger: pino({ level: 'silent' }) })
      socket.ev.on('connection.update', ({ qr, lastDisconnect }) => {
        if (!qr && !lastDisconnect) return
        console.log(qr ? 'shows a QR' : String(lastDisconnect.error))
        process.exit()
      })`
    const run = async (env: Record<string, string>) => {
      const trust = new URL('trust.mjs', import.meta.url).href
      const args = ['--import', 'tsx', '--import', trust, '--input-type=module', '--eval', program]
      const { stdout } = await promisify(execFile)(process.execPath, args, {
        env: { ...process.env, ...env },
      })
      return stdout
    }
    expect(await run({ WHATSAPP_ROOT_KEY: rootKey.toString('hex') })).toContain('shows a QR')
    expect(await run({})).toContain('certificate signature invalid')
  })
})
