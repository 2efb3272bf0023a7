import { DEFAULT_CONNECTION_CONFIG } from '@whiskeysockets/baileys'
import { expect, it } from 'vitest'
import { guardSignal } from '../../../src/adapters/baileys/signal-guard.ts'
import { whatsAppForEach } from '../../support/whatsapp.ts'

const world = whatsAppForEach()

it('A phone and a client can both talk at once, and nothing is lost on either side', async () => {
  const client = await world.linked({
    makeSignalRepository: guardSignal(DEFAULT_CONNECTION_CONFIG.makeSignalRepository),
  })
  const { shop, alice } = world
  const texts = Array.from({ length: 30 }, (_, index) => String(index))
  const out = async () => {
    for (const text of texts) await client.socket.sendMessage(alice.lid, { text: `out ${text}` })
  }
  const back = async () => {
    for (const text of texts) await alice.writeTo(shop, `in ${text}`)
  }
  await Promise.all([out(), back()])
  await alice.received(({ text }) => text === 'out 29')
  await client.message((message) => client.text(message) === 'in 29')
  expect(alice.inbox.map(({ text }) => text)).toEqual(texts.map((text) => `out ${text}`))
  expect(client.messages().flatMap((message) => (message.key.fromMe ? [] : client.text(message)))).toEqual(
    texts.map((text) => `in ${text}`),
  )
})
