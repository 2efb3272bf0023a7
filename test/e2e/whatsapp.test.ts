import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { login, type Client } from '../support/client.ts'
import type { Program } from '../support/program.ts'
import { startWhatsAppProcess, type WhatsAppProcess } from '../support/whatsapp-process.ts'
import { ADMIN, createHome, type Home } from './home.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })
const PATIENCE = { timeout: 60_000, interval: 200 }

let whatsApp: WhatsAppProcess
let home: Home
let program: Program
const SHOP = { person: '5511912345678' }
const ALICE = { person: '5511988887777' }

beforeAll(async () => {
  whatsApp = await startWhatsAppProcess()
  await whatsApp.control.person({ name: 'Shop', phoneNumber: SHOP.person })
  await whatsApp.control.person({ name: 'Alice', phoneNumber: ALICE.person })
  home = await createHome({
    ...whatsApp.environment,
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
  })
  program = await home.start()
})
afterAll(async () => {
  await home.remove()
  await whatsApp.stop()
})

const open = () => login(program.url, ADMIN.email, ADMIN.password)
const connected = (client: Client) =>
  vi.waitFor(async () => expect((await client.get('/status')).body.status).toBe('connected'), PATIENCE)
const receivedTexts = async (client: Client): Promise<string[]> => {
  const { body } = await client.get('/messages/search?q=message&per_page=50')
  const messages: { message_body: string; direction: string }[] = body.data
  return messages.filter(({ direction }) => direction === 'incoming').map((one) => one.message_body)
}
const write = (text: string) =>
  whatsApp.control.write({ from: ALICE.person, to: SHOP.person, text: `message ${text}` })

it('a program that is killed and started again goes on with its pairing, has what came meanwhile, and sends', async () => {
  const before = await open()
  const { body } = await before.post('/instances', { name: 'Support', provider: 'baileys' })
  const id: string = body.data.instance.uuid
  const qr = await vi.waitFor(async () => {
    const { qr_code_text } = (await before.get(`/instances/${id}/qr`)).body.data
    expect(qr_code_text).not.toBeNull()
    return qr_code_text
  }, PATIENCE)
  await whatsApp.control.scan({ ...SHOP, qr })
  await connected(before)

  await write('while it runs')
  await vi.waitFor(
    async () => expect(await receivedTexts(before)).toEqual(['message while it runs']),
    PATIENCE,
  )
  const sent = await before.post('/send-message', { recipient: ALICE.person, message: 'first' })
  expect(sent.body.status).toBe('sent')

  await Promise.all([...'abcdefgh'].map((text) => write(text)))
  await program.kill()
  await Promise.all([...'ijkl'].map((text) => write(text)))
  program = await home.start()

  const after = await open()
  await connected(after)
  const all = ['while it runs', ...'abcdefghijkl'].map((text) => `message ${text}`)
  await vi.waitFor(
    async () => expect((await receivedTexts(after)).toSorted()).toEqual(all.toSorted()),
    PATIENCE,
  )
  await after.post('/send-message', { recipient: ALICE.person, message: 'second' })
  const got = await whatsApp.control.received({ ...ALICE, text: 'second' })
  expect(got.from).toBe(SHOP.person)
  expect((await whatsApp.control.inbox(ALICE)).map(({ text }) => text)).toEqual(['first', 'second'])
  expect(await whatsApp.control.errors()).toEqual([])
})
