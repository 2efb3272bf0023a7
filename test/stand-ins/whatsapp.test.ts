import '../support/quiet-whatsapp.ts'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { baileysClient, type BaileysClient } from '../support/baileys.ts'
import { startWhatsApp, trustWhatsApp, type Person, type WhatsApp } from './whatsapp/whatsapp.ts'

let whatsApp: WhatsApp
let shop: Person
let alice: Person
let distrust: () => void
const clients: BaileysClient[] = []
const client = (...[config]: [Parameters<typeof baileysClient>[1]?]) => {
  const made = baileysClient(whatsApp, config)
  clients.push(made)
  return made
}

beforeEach(async () => {
  whatsApp = await startWhatsApp()
  distrust = trustWhatsApp(whatsApp.rootKey)
  shop = whatsApp.person('Shop')
  alice = whatsApp.person('Alice')
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((each) => each.end()))
  await whatsApp.stop()
  distrust()
  expect(whatsApp.errors).toEqual([])
})

it('links a client that shows a QR, and they talk', async () => {
  const linked = client()
  await linked.link(shop)
  expect(linked.socket.user).toMatchObject({ id: '15551000000:1@s.whatsapp.net' })
  const id = await alice.writeTo(shop, 'hello')
  const got = await linked.message(({ key }) => key.id === id)
  expect(linked.text(got)).toBe('hello')
  expect(got.key).toMatchObject({ remoteJid: alice.lid, remoteJidAlt: alice.jid })
  const sent = await linked.socket.sendMessage(alice.lid, { text: 'hi Alice' })
  expect((await alice.received((message) => message.id === sent?.key.id)).text).toBe('hi Alice')
})
