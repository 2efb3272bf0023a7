import './quiet-whatsapp.ts'
import type { UserFacingSocketConfig } from '@whiskeysockets/baileys'
import { afterEach, beforeEach, expect } from 'vitest'
import {
  startWhatsApp,
  trustWhatsApp,
  type Person,
  type WhatsApp,
  type WhatsAppOptions,
} from '../stand-ins/whatsapp/whatsapp.ts'
import { baileysClient, type BaileysClient } from './baileys.ts'

type Config = Partial<UserFacingSocketConfig>

/** For each test of a file a WhatsApp of its own, with two people, and clients that are closed in the end. */
export const whatsAppForEach = (options: WhatsAppOptions = {}) => {
  let current: { whatsApp: WhatsApp; shop: Person; alice: Person } | undefined
  const clients: BaileysClient[] = []
  const now = () => {
    if (!current) throw new Error('There is no WhatsApp outside of a test.')
    return current
  }
  let distrust = () => {}

  beforeEach(async () => {
    const whatsApp = await startWhatsApp(options)
    distrust = trustWhatsApp(whatsApp.rootKey)
    current = { whatsApp, shop: whatsApp.person('Shop'), alice: whatsApp.person('Alice') }
  })
  afterEach(async () => {
    const { whatsApp } = now()
    await Promise.all(clients.splice(0).map((client) => client.end()))
    await whatsApp.stop()
    distrust()
    expect(whatsApp.errors).toEqual([])
  })

  // The phones here tell nothing of the past: a client that waits for it holds back what comes.
  const client = (config: Config = {}): BaileysClient => {
    const made = baileysClient(now().whatsApp, { shouldSyncHistoryMessage: () => false, ...config })
    clients.push(made)
    return made
  }

  return {
    get whatsApp() {
      return now().whatsApp
    },
    get shop() {
      return now().shop
    },
    get alice() {
      return now().alice
    },
    client,
    /** A client of the shop that is logged in. */
    linked: async (config: Config = {}): Promise<BaileysClient> => {
      const made = client(config)
      await made.link(now().shop)
      return made
    },
  }
}
