import { randomBytes } from 'node:crypto'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createCipher } from '../../../src/adapters/baileys/cipher.ts'
import { baileysGateway } from '../../../src/adapters/baileys/gateway.ts'
import { folderMediaStore } from '../../../src/adapters/media/folder.ts'
import { createLogPool } from '../../../src/adapters/postgres/pool.ts'
import type { FetchFile } from '../../../src/ports/fetch-file.ts'
import { trustWhatsApp } from '../../stand-ins/whatsapp/whatsapp.ts'
import { startWorld } from '../../stand-ins/whatsapp/world.ts'
import { startApp } from '../../support/app.ts'
import type { Json } from '../../support/client.ts'
import { createTestDatabase } from '../../support/database.ts'
import { tinyFiles } from '../../support/files.ts'
import { PATIENCE, quick } from './whatsapp.ts'

const quiet = () => undefined
const jpeg = tinyFiles['a.jpg'] ?? Buffer.alloc(0)

/** The application with WhatsApp behind it, whose files it trusts; paired by a code that is typed on the phone. */
const startShop = async () => {
  const world = await startWorld()
  const { whatsApp } = world
  const distrust = trustWhatsApp(whatsApp.rootKey)
  const database = await createTestDatabase()
  const pool = createLogPool(database.url, { max: 4, onError: quiet })
  const baileys = baileysGateway({
    ...{ url: whatsApp.url, pool, cipher: createCipher(randomBytes(32)), log: quiet, timing: quick },
    ...{ mediaStore: folderMediaStore('/dev/null/none'), mediaCa: whatsApp.mediaCa },
  })
  const dispatcher = new Agent({ connect: { ca: whatsApp.mediaCa } })
  const fetchFile: FetchFile = async (url) => ({ body: (await request(url, { dispatcher })).body })
  const app = await startApp({}, { gateways: { baileys }, fetchFile }, database)
  const stop = async () => {
    await baileys.stop()
    await pool.end()
    await app.stop()
    await dispatcher.close()
    await world.stop()
    distrust()
  }
  const { body } = await app.admin.post('/instances', { name: 'Shop', provider: 'baileys' })
  const id: string = body.data.instance.uuid
  const owner = whatsApp.person('Shop')
  const askForCode = () =>
    app.admin.post(`/instances/${id}/pairing-code`, { phone_number: owner.phoneNumber })
  return { ...world, ...app, id, owner, askForCode, stop }
}

let shop: Awaited<ReturnType<typeof startShop>>
beforeAll(async () => {
  shop = await startShop()
  const status = async () => (await shop.admin.get(`/instances/${shop.id}/status`)).body.data.status
  await vi.waitFor(async () => expect(await status()).toBe('qr_ready'), PATIENCE)
  const { body } = await shop.askForCode()
  expect(body.data.code).toMatch(/^[A-Z0-9]{4}-[A-Z0-9]{4}$/)
  await shop.owner.enterCode(body.data.code.replace('-', ''))
  await vi.waitFor(async () => expect(await status()).toBe('connected'), PATIENCE)
}, 60_000)
afterAll(() => shop.stop())

const conversationWith = (name: string): Promise<Json> =>
  vi.waitFor(async () => {
    const { body } = await shop.admin.get('/conversations')
    const found = body.data.find((row: Json) => row.display_name === name)
    expect(found).toBeDefined()
    return found
  }, PATIENCE)

it('an instance that was paired by a code has no other code to give', async () => {
  expect((await shop.askForCode()).body.error).toMatchObject({ code: 'CONFLICT' })
})

it('who wrote sees that it was read, and that somebody types', async () => {
  const maria = shop.whatsApp.person('Maria')
  const id = await maria.writeTo(shop.owner, 'Hello!')
  const conversation = await conversationWith('Maria')
  expect(
    (await shop.admin.post(`/conversations/${conversation.id}/presence`, { state: 'recording' })).status,
  ).toBe(200)
  const shown = await shop.presence.seen.first(({ presence }) => presence === 'recording')
  expect(shop.whatsApp.find(shown.to ?? '')).toBe(maria)
  expect((await shop.admin.post(`/conversations/${conversation.id}/mark-read`)).status).toBe(200)
  const receipt = await maria.receiptSeen(({ type }) => type === 'read')
  expect(receipt).toMatchObject({ ids: [id], from: shop.owner })
})

it('each author in a group sees that it was read', async () => {
  const [ann, bob] = [shop.whatsApp.person('Ann'), shop.whatsApp.person('Bob')]
  const made = await shop.admin.post(`/instances/${shop.id}/groups`, {
    subject: 'Team',
    participants: [ann.phoneNumber, bob.phoneNumber],
  })
  expect(made.status).toBe(201)
  const { jid } = made.body.data.group
  const ids = [await ann.writeTo(jid, 'one'), await bob.writeTo(jid, 'two')]
  const conversation = await vi.waitFor(async () => {
    const { body } = await shop.admin.get('/conversations?is_group=true')
    expect(body.data).toMatchObject([{ unread_count: 2 }])
    return body.data[0]
  }, PATIENCE)
  expect((await shop.admin.post(`/conversations/${conversation.id}/mark-read`)).status).toBe(200)
  const read = await Promise.all([ann, bob].map((one) => one.receiptSeen(({ type }) => type === 'read')))
  expect(read.map((receipt) => receipt.ids)).toEqual(ids.map((id) => [id]))
})

it('the picture of who wrote can be read here, and follows theirs', async () => {
  const carla = shop.whatsApp.person('Carla')
  shop.pictures.set(carla, jpeg)
  await carla.writeTo(shop.owner, 'Hello!')
  const pictureBecomes = (matching: unknown) =>
    vi.waitFor(async () => {
      const { profile_picture_url: url } = await conversationWith('Carla')
      expect(url).toEqual(matching)
      return String(url)
    }, PATIENCE)
  const url = await pictureBecomes(expect.stringMatching(/\/files\/[\w-]+\.jpg$/))
  expect(Buffer.from(await (await fetch(url)).arrayBuffer())).toEqual(jpeg)
  shop.pictures.set(carla, undefined)
  await pictureBecomes(null)
})
