import { randomBytes } from 'node:crypto'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createCipher } from '../../../src/adapters/baileys/cipher.ts'
import { baileysGateway } from '../../../src/adapters/baileys/gateway.ts'
import { keptSessions, purgeSessions } from '../../../src/adapters/baileys/kept.ts'
import { folderMediaStore } from '../../../src/adapters/media/folder.ts'
import { createLogPool } from '../../../src/adapters/postgres/pool.ts'
import { trustWhatsApp } from '../../stand-ins/whatsapp/whatsapp.ts'
import { startWorld } from '../../stand-ins/whatsapp/world.ts'
import { startApp } from '../../support/app.ts'
import { createTestDatabase } from '../../support/database.ts'
import { PATIENCE, quick } from './whatsapp.ts'

const quiet = () => undefined

/** The application with WhatsApp behind it instead of the simulated phone. */
const startShop = async () => {
  const world = await startWorld()
  const distrust = trustWhatsApp(world.whatsApp.rootKey)
  const database = await createTestDatabase()
  const pool = createLogPool(database.url, { max: 4, onError: quiet })
  const baileys = baileysGateway({
    ...{ url: world.whatsApp.url, pool, cipher: createCipher(randomBytes(32)), log: quiet, timing: quick },
    ...{ mediaStore: folderMediaStore('/dev/null/none'), mediaCa: world.whatsApp.mediaCa },
  })
  const parts = {
    gateways: { baileys },
    keptSessions: () => keptSessions(pool),
    purgeSessions: () => purgeSessions(pool, quiet),
  }
  const app = await startApp({}, parts, database)
  let running = app
  onTestFinished(async () => {
    await baileys.stop()
    await pool.end()
    await running.stop()
    await world.stop()
    distrust()
  })
  const { body } = await app.admin.post('/instances', { name: 'Shop', provider: 'baileys' })
  const id: string = body.data.instance.uuid
  const owner = world.whatsApp.person('Shop')
  const status = async () => (await app.admin.get(`/instances/${id}/status`)).body.data
  const pair = async () => {
    const qr = await vi.waitFor(async () => {
      const { body } = await app.admin.get(`/instances/${id}/qr`)
      expect(body.data.qr_code_text).toEqual(expect.any(String))
      return String(body.data.qr_code_text)
    }, PATIENCE)
    await owner.scan(qr)
    await vi.waitFor(async () => expect(await status()).toMatchObject({ status: 'connected' }), PATIENCE)
  }
  const restart = async (roles: string) => {
    await running.leave()
    running = await startApp({ ROLES: roles }, parts, database)
    return running
  }
  return { ...world, ...app, id, owner, status, baileys, pool, pair, restart }
}

it('an instance is paired, talks, and sends what was queued while the connection was away', async () => {
  const { whatsApp, admin, id, owner, pair, baileys } = await startShop()
  await pair()

  const maria = whatsApp.person('Maria')
  const send = (message: string) =>
    admin.post('/chat/send', { instance_id: id, recipient: maria.phoneNumber, message })
  expect((await send('Good morning!')).status).toBe(200)
  await maria.received(({ text }) => text === 'Good morning!')
  await maria.writeTo(owner, 'Hello!')
  await vi.waitFor(async () => {
    const { body } = await admin.get('/chat/conversations')
    expect(JSON.stringify(body)).toContain('Hello!')
  }, PATIENCE)

  whatsApp.faults.upgrade = 503
  owner.drop()
  await vi.waitFor(() => expect(baileys.connected(id)).toBe(false), PATIENCE)
  const later = send('Later')
  whatsApp.faults.upgrade = undefined
  // It was away for a moment only, of which the log heard nothing: what waits goes out all the same.
  await maria.received(({ text }) => text === 'Later')
  expect((await later).status).toBe(200)
})

it('an instance that is deleted while no node has sessions is forgotten by the next one that has', async () => {
  const { id, owner, pair, restart, pool } = await startShop()
  await pair()
  const { admin } = await restart('api,projector')
  expect((await admin.delete(`/instances/${id}`)).status).toBe(200)
  expect(owner.devices.size).toBe(1)
  await restart('api,projector,gateway')
  await vi.waitFor(() => expect(owner.devices.size).toBe(0), PATIENCE)
  await vi.waitFor(async () => expect(await keptSessions(pool)).toEqual([]), PATIENCE)
})

it('raw messages go after their time, also where nobody has opened a session for as long', async () => {
  const { pool, baileys, restart } = await startShop()
  await pool.query(
    `insert into whatsapp_message (instance_id, id, value, at)
     values (gen_random_uuid(), 'old', '', now() - interval '31 days'), (gen_random_uuid(), 'new', '', now())`,
  )
  const opening = vi.spyOn(baileys, 'open')
  await restart('api,projector,relay')
  await vi.waitFor(async () => {
    const { rows } = await pool.query('select convert_from(id, $1) as id from whatsapp_message', ['UTF8'])
    expect(rows).toEqual([{ id: 'new' }])
  }, PATIENCE)
  expect(opening).not.toHaveBeenCalled()
})
