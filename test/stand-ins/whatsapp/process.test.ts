import '../../support/quiet-whatsapp.ts'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { WAMessageStatus } from '@whiskeysockets/baileys'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testCertificate } from '../../support/certificate.ts'
import { baileysClient } from '../../support/baileys.ts'
import { startWhatsAppProcess, type WhatsAppProcess } from '../../support/whatsapp-process.ts'
import { trustWhatsApp } from './whatsapp.ts'

let whatsApp: WhatsAppProcess
beforeAll(async () => {
  whatsApp = await startWhatsAppProcess()
})
afterAll(() => whatsApp.stop())

const PERSON = { name: 'Alice', phoneNumber: '15551230000' }

it('a client pairs with it, and what people do is done and looked at from outside', async () => {
  const { control } = whatsApp
  const distrust = trustWhatsApp(Buffer.from(whatsApp.ready.rootKeyHex, 'hex'))
  const client = baileysClient(whatsApp)
  const shop = await control.person({ name: 'Shop' })
  const alice = await control.person(PERSON)

  client.open()
  await control.scan({ person: shop.phoneNumber, qr: await client.qr() })
  await client.closed()
  await client.connect()
  expect(await control.people()).toMatchObject([
    { name: 'Shop', devices: [{ id: 1, connected: true }] },
    PERSON,
  ])

  const id = await control.write({ from: alice.phoneNumber, to: shop.phoneNumber, text: 'Hello' })
  expect(client.text(await client.message(({ key }) => key.id === id))).toBe('Hello')

  await client.socket.sendMessage(alice.jid, { text: 'Hello Alice' })
  const got = await control.received({ person: alice.phoneNumber, text: 'Hello Alice' })
  expect(got).toMatchObject({ from: shop.phoneNumber })
  expect(await control.inbox({ person: alice.phoneNumber })).toEqual([got])
  const { group } = await control.createGroup({
    by: alice.phoneNumber,
    subject: 'Team',
    members: [shop.phoneNumber],
  })
  expect(Object.keys(await client.socket.groupFetchAllParticipating())).toEqual([group])

  await control.refuseMessages({ code: '463' })
  const refused = await client.socket.sendMessage(alice.jid, { text: 'Too much' })
  await client.events.first(
    (batch) =>
      batch['messages.update']?.some(
        ({ key, update }) => key.id === refused?.key.id && update.status === WAMessageStatus.ERROR,
      ) === true ||
      batch['messages.upsert']?.messages.some(
        (one) => one.key.id === refused?.key.id && one.status === WAMessageStatus.ERROR,
      ) === true,
  )
  expect(await control.errors()).toEqual([])
  expect(await control.counts()).toMatchObject({ people: 2, connections: 1 })
  await client.end()
  distrust()
})
it('a command that cannot be done is refused with the reason, in the process that asked', async () => {
  const { control } = whatsApp
  await expect(control.inbox({ person: '1' })).rejects.toThrow('inbox: Nobody has the number 1')
  await expect(control.scan({ person: PERSON.phoneNumber, qr: '2@nothing,a,b,c' })).rejects.toThrow('scan: ')
  const unknown = await fetch(`${whatsApp.ready.control}/toString`, { method: 'POST', body: '{}' })
  expect([unknown.status, await unknown.json()]).toEqual([400, { error: 'There is no command toString' }])
})
it('a page of a browser cannot command it', async () => {
  const response = await fetch(`${whatsApp.ready.control}/people`, {
    method: 'POST',
    headers: { origin: 'http://example.com' },
    body: '{}',
  })
  expect(response.status).toBe(403)
})
it('a program with its environment trusts it, and its files', async () => {
  const look =
    "import('@whiskeysockets/baileys').then(({ WA_CERT_DETAILS: { PUBLIC_KEY } }) => console.log(PUBLIC_KEY.toString('hex')))"
  const env = { PATH: process.env['PATH'], ...whatsApp.environment }
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', look], { env })
  expect(stdout.trim()).toBe(whatsApp.ready.rootKeyHex)
  expect(await readFile(whatsApp.environment.NODE_EXTRA_CA_CERTS, 'utf8')).toBe(testCertificate)
})
