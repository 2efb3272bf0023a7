import { request } from 'node:http'
import type { AnyMessageContent } from '@whiskeysockets/baileys'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import type { BaileysClient } from '../../support/baileys.ts'
import { freePort } from '../../support/program.ts'
import { whatsAppWorld } from '../../support/whatsapp-world.ts'
import type { Entry } from './phone/chat.ts'
import { servePhone } from './phone/server.ts'
import type { Person } from './whatsapp.ts'
import { eventually } from '../../support/eventually.ts'

const test = whatsAppWorld()
let shop: Person, alice: Person
let client: BaileysClient
let phone: Awaited<ReturnType<typeof servePhone>>
beforeAll(async () => {
  ;({ person: shop, client } = await test.linked('Shop'))
  alice = test.person('Alice')
  const instance = {
    id: '',
    url: 'http://127.0.0.1:3000',
    token: '',
    connection: async () => ({ status: 'connected', qr: null, qrImage: null }),
    qr: async () => '',
  }
  phone = await servePhone({ world: test.world, business: shop, people: [alice], instance }, await freePort())
})
afterAll(() => phone.stop())

const act = async (what: string, action: object) => {
  const body = JSON.stringify({ person: alice.phoneNumber, text: '', ...action })
  const response = await fetch(`${phone.url}/${what}`, { method: 'POST', body })
  expect([response.status, await response.json()]).toEqual([200, {}])
}
const entries = async (): Promise<readonly Entry[]> => {
  const state = (await (await fetch(`${phone.url}/state`)).json()) as { people: { entries: Entry[] }[] }
  return state.people[0]?.entries ?? []
}
const entry = async (id: string | null | undefined) => (await entries()).find((one) => one.id === id)

it('what is written on the page reaches the client, and shows how far it has come', async () => {
  await act('write', { text: 'Hello shop' })
  const message = await client.message((one) => client.text(one) === 'Hello shop')
  await eventually(async () =>
    expect(await entry(message.key.id)).toMatchObject({ mine: true, text: 'Hello shop', ticks: 'delivered' }),
  )
  await client.socket.readMessages([message.key])
  await eventually(async () => expect(await entry(message.key.id)).toMatchObject({ ticks: 'read' }))
  await act('revoke', { id: message.key.id })
  await client.events.first(
    (batch) => batch['messages.update']?.some(({ update }) => update.message === null) === true,
  )
  expect(await entry(message.key.id)).toMatchObject({ deleted: true })
})
it('what the client sends shows on the page, with its edits and reactions, and is told to be read', async () => {
  const sent = await client.socket.sendMessage(alice.jid, { text: 'Hello Alice' })
  const key = sent?.key ?? {}
  await eventually(async () =>
    expect(await entry(key.id)).toMatchObject({ mine: false, ticks: 'delivered', edited: false }),
  )
  await client.socket.sendMessage(alice.jid, { text: 'Good evening', edit: key })
  await client.socket.sendMessage(alice.jid, { react: { text: '👍', key } })
  await act('react', { id: key.id, text: '❤️' })
  await act('read', {})
  await eventually(async () =>
    expect(await entry(key.id)).toMatchObject({
      text: 'Good evening',
      edited: true,
      reactions: { mine: '❤️', theirs: '👍' },
      ticks: 'read',
    }),
  )
  await client.message(({ message }) => message?.reactionMessage?.text === '❤️')
  await test.world.whatsApp.stanzas.first(
    ({ node }) => node.tag === 'receipt' && node.attrs.id === key.id && node.attrs.type === 'read',
  )
})
it('places, contacts and polls can be read', async () => {
  const vcard = 'BEGIN:VCARD\nVERSION:3.0\nFN:Bob\nEND:VCARD'
  const contents: AnyMessageContent[] = [
    { location: { degreesLatitude: -23.5, degreesLongitude: -46.6, name: 'Shop' } },
    { contacts: { displayName: 'Bob', contacts: [{ displayName: 'Bob', vcard }] } },
    { poll: { name: 'Which?', values: ['This', 'That'] } },
  ]
  const words = ['Place:\nShop\n-23.5, -46.6', 'Contact: Bob', 'Poll: Which?\n○ This\n○ That']
  for (const content of contents) await client.socket.sendMessage(alice.jid, content)
  await vi.waitFor(async () => expect((await entries()).slice(-3).map(({ text }) => text)).toEqual(words))
})
it('files go both ways, and only what a browser may show is shown as it is', async () => {
  const base64 = Buffer.from('<script>alert(1)</script>').toString('base64')
  await act('file', { text: 'Look', file: { name: 'a.html', mimetype: 'text/html', base64 } })
  const message = await client.message(
    (one) =>
      one.message?.documentWithCaptionMessage !== null &&
      one.message?.documentWithCaptionMessage !== undefined,
  )
  const response = await fetch(`${phone.url}/file?person=${alice.phoneNumber}&id=${message.key.id ?? ''}`)
  expect(await response.text()).toBe('<script>alert(1)</script>')
  expect(response.headers.get('content-type')).toBe('application/octet-stream')
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
})
it('what cannot be done is told, and the page goes on', async () => {
  const body = JSON.stringify({ person: '1', text: 'Hello' })
  const response = await fetch(`${phone.url}/write`, { method: 'POST', body })
  expect([response.status, await response.json()]).toEqual([400, { error: 'Nobody has the number 1' }])
  const typed = await fetch(`${phone.url}/code`, { method: 'POST', body: '{"text":"ABCD-EFGH"}' })
  expect(await typed.json()).toEqual({ error: 'No client asked for a code for this phone number.' })
  expect((await fetch(`${phone.url}/toString`, { method: 'POST', body })).status).toBe(404)
})
it('the page runs no script but its own, and other pages and names get nothing', async () => {
  const response = await fetch(phone.url)
  const nonce = /script-src 'nonce-([^']+)'/.exec(response.headers.get('content-security-policy') ?? '')?.[1]
  expect(nonce).toBeTruthy()
  expect(await response.text()).toContain(`<script nonce="${nonce}"`)
  const foreign = await fetch(`${phone.url}/read`, {
    method: 'POST',
    headers: { origin: 'http://example.com' },
    body: '{}',
  })
  expect(foreign.status).toBe(403)
  const renamed = await new Promise<number | undefined>((done, fail) =>
    request(`${phone.url}/state`, { headers: { host: 'example.com' } }, (answer) => {
      answer.resume()
      done(answer.statusCode)
    })
      .on('error', fail)
      .end(),
  )
  expect(renamed).toBe(403)
})
