import { randomBytes, randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { DEFAULT_CONNECTION_CONFIG } from '@whiskeysockets/baileys'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createCaches } from '../../../src/adapters/baileys/caches.ts'
import { createCipher } from '../../../src/adapters/baileys/cipher.ts'
import { quietLogs } from '../../../src/adapters/baileys/quiet-logs.ts'
import { connect } from '../../../src/adapters/baileys/connection.ts'
import { requestCode } from '../../../src/adapters/baileys/pairing.ts'
import { verdictOn } from '../../../src/adapters/baileys/reconnect.ts'
import { openSessionStore } from '../../../src/adapters/baileys/session-store.ts'
import { startWhatsApp, trustWhatsApp } from '../../stand-ins/whatsapp/whatsapp.ts'
import { testPool } from '../../support/database.ts'

const quiet = () => undefined

/** A socket that shows its first QR code. */
const offering = async ({ qrRefs = 6, qrMs = 60_000 } = {}) => {
  const whatsApp = await startWhatsApp()
  whatsApp.faults.qrRefs = qrRefs
  const distrust = trustWhatsApp(whatsApp.rootKey)
  const parts = { pool: await testPool(), cipher: createCipher(randomBytes(32)), onError: quiet }
  const store = await openSessionStore(parts, { instanceId: randomUUID(), term: 1 })
  let shown: () => void = quiet
  const isOffering = new Promise<void>((resolve) => {
    shown = resolve
  })
  const connection = connect({
    ...{ url: whatsApp.url, version: DEFAULT_CONNECTION_CONFIG.version, store, caches: createCaches() },
    ...{ logger: quietLogs(quiet, 'one'), callMs: 300, loginMs: 10_000, qrMs },
    ...{ onQr: shown, onOpen: quiet, onBatch: quiet, onError: quiet, hasRoom: async () => undefined },
  })
  onTestFinished(async () => {
    connection.end({ code: undefined, message: 'The test is over' })
    await whatsApp.stop()
    distrust()
  })
  await isOffering
  return { connection, whatsApp }
}

it('what the library cannot answer any more ends nothing but the connection', async () => {
  const { connection } = await offering()
  const unheard: unknown[] = []
  const hear = (error: unknown) => void unheard.push(error)
  process.on('unhandledRejection', hear)
  onTestFinished(() => void process.off('unhandledRejection', hear))
  connection.end({ code: undefined, message: 'Gone' })
  // As of a stanza that was read before, and is answered now.
  connection.sock.ws.emit('CB:iq,type:set,pair-device', { tag: 'iq', attrs: { id: '1' }, content: [] })
  connection.sock.ws.emit('CB:ib,,offline_preview', { tag: 'ib', attrs: {}, content: [] })
  for (let n = 0; n < 5; n++) await turn()
  expect(unheard).toEqual([])
})

it('a call that is under way when the connection ends is answered at once', async () => {
  const { connection } = await offering()
  const asked = connection.ask('nothing', () => new Promise(quiet))
  connection.end({ code: undefined, message: 'Gone' })
  await expect(asked).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(connection.ask('more', () => Promise.resolve())).rejects.toMatchObject({
    code: 'INSTANCE_NOT_CONNECTED',
  })
})

it('a pairing code that is asked for as the connection ends is refused in our own words', async () => {
  const { connection } = await offering()
  connection.end({ code: undefined, message: 'Gone' })
  await expect(requestCode(connection.sock, '5511999999999')).rejects.toMatchObject({
    code: 'INSTANCE_NOT_CONNECTED',
  })
})

it('a call without an answer says so, and ends the connection', async () => {
  const { connection } = await offering()
  await expect(connection.ask('nothing', () => new Promise(quiet))).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('did not answer in time'),
  })
  expect(await connection.ended).toMatchObject({ code: 408, message: 'No answer to nothing', openForMs: 0 })
})

it('what a call rejects with is told apart: a no of WhatsApp, a closed connection, a lost one', async () => {
  const { connection } = await offering()
  const rejecting = (error: unknown) => connection.ask('it', () => Promise.reject(error as Error))
  const boom = (statusCode: number, data?: unknown) =>
    Object.assign(new Error('forbidden'), { output: { statusCode }, data })
  await expect(rejecting(boom(500, 403))).rejects.toMatchObject({ name: 'CallRefused', code: 403 })
  await expect(rejecting(boom(428))).rejects.toMatchObject({ code: 'INSTANCE_NOT_CONNECTED' })
  for (const lost of [1006, 1005, 1001, boom(408)])
    await expect(rejecting(lost)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(rejecting(boom(500))).rejects.toThrow('forbidden')
})

it('a socket whose keys failed before it was made ends at once, and leaves no timer behind', async () => {
  const parts = { pool: await testPool(), cipher: createCipher(randomBytes(32)), onError: quiet }
  const session = { instanceId: randomUUID(), term: 1 }
  const store = await openSessionStore(parts, session)
  await openSessionStore(parts, session)
  await expect(store.saveCreds()).rejects.toThrow('elsewhere')
  const begun = vi.spyOn(globalThis, 'setInterval')
  onTestFinished(() => begun.mockRestore())
  const connection = connect({
    ...{ url: 'ws://127.0.0.1:1', version: DEFAULT_CONNECTION_CONFIG.version, store, caches: createCaches() },
    ...{ logger: quietLogs(quiet, 'one'), callMs: 300, loginMs: 10_000 },
    ...{ onQr: quiet, onOpen: quiet, onBatch: quiet, onError: quiet, hasRoom: async () => undefined },
  })
  expect(await connection.ended).toMatchObject({ message: expect.stringContaining('could not be kept') })
  // The library's own are of other lengths.
  expect(begun.mock.calls.filter(([, ms]) => ms === 3000)).toEqual([])
})

it('nobody scanned a code: that is how it ended, also if the other side does not say goodbye', async () => {
  const { connection, whatsApp } = await offering({ qrRefs: 2, qrMs: 200 })
  for (const each of whatsApp.connections) each.hang()
  expect(verdictOn(await connection.ended, false)).toMatchObject({ kind: 'stop', reason: 'qr_expired' })
})
