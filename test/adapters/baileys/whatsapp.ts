import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, vi } from 'vitest'
import { createCipher } from '../../../src/adapters/baileys/cipher.ts'
import { baileysGateway, type BaileysOptions } from '../../../src/adapters/baileys/gateway.ts'
import { folderMediaStore } from '../../../src/adapters/media/folder.ts'
import { recordingListener, sessionOf } from '../../contracts/gateway.ts'
import { trustWhatsApp, type WhatsAppOptions } from '../../stand-ins/whatsapp/whatsapp.ts'
import { startWorld } from '../../stand-ins/whatsapp/world.ts'
import { testPool } from '../../support/database.ts'

export type Logged = { readonly level: string; readonly text: string; readonly fields: object }

/** What is short in production is shorter here: a test waits for events, and for nothing else. */
export const quick = {
  backoff: { minMs: 20, maxMs: 200 },
  slowlyMs: 50,
  settleMs: 2000,
}

/** The gateway beside a WhatsApp of its own, on a database of its own; all stopped when the test is over. */
export const startGateway = async (options: Partial<BaileysOptions> = {}, how: WhatsAppOptions = {}) => {
  const pool = options.pool ?? (await testPool())
  const world = await startWorld(how)
  const { whatsApp } = world
  const distrust = trustWhatsApp(whatsApp.rootKey)
  const folder = await mkdtemp(join(tmpdir(), 'zapini-whatsapp-'))
  const logs: Logged[] = []
  const gateway = baileysGateway({
    url: whatsApp.url,
    pool,
    cipher: createCipher(randomBytes(32)),
    mediaStore: folderMediaStore(folder),
    mediaCa: whatsApp.mediaCa,
    log: (level, text, fields) => void logs.push({ level, text, fields }),
    ...options,
    timing: { ...quick, ...options.timing },
  })
  onTestFinished(async () => {
    await gateway.stop()
    await world.stop()
    distrust()
    await rm(folder, { recursive: true, force: true })
  })

  const opened = async (instanceId: string = randomUUID()) => {
    const told = recordingListener()
    await gateway.open(sessionOf(instanceId), told.listener)
    return { instanceId, ...told }
  }
  type Opened = Awaited<ReturnType<typeof opened>>
  const qrOf = ({ connections }: Pick<Opened, 'connections'>, before?: string) =>
    vi.waitFor(() => {
      const report = connections.at(-1)
      if (report?.status !== 'qr_ready' || report.qr === before) throw new Error('No QR code yet')
      return report.qr
    }, PATIENCE)
  const isConnected = ({ instanceId }: Pick<Opened, 'instanceId'>) =>
    vi.waitFor(() => expect(gateway.connected(instanceId)).toBe(true), PATIENCE)
  /** An instance whose phone is that of a new person. */
  const paired = async (name = 'Shop') => {
    const owner = whatsApp.person(name)
    const instance = await opened()
    await owner.scan(await qrOf(instance))
    await isConnected(instance)
    return { ...instance, owner }
  }
  const status = (instance: Pick<Opened, 'connections'>, expected: object) =>
    vi.waitFor(() => expect(instance.connections.at(-1)).toMatchObject(expected), PATIENCE)
  return { gateway, world, whatsApp, pool, logs, opened, paired, qrOf, isConnected, status }
}
export const PATIENCE = { timeout: 15_000, interval: 20 }
