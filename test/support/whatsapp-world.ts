import './quiet-whatsapp.ts'
import { Agent } from 'node:https'
import type { UserFacingSocketConfig } from '@whiskeysockets/baileys'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { trustWhatsApp, type Person, type WhatsAppOptions } from '../stand-ins/whatsapp/whatsapp.ts'
import { startWorld } from '../stand-ins/whatsapp/world.ts'
import { baileysClient } from './baileys.ts'

/** For the tests of a file, WhatsApp with groups, files and all the rest, and real clients that are closed in the end. */
export const whatsAppWorld = (options: WhatsAppOptions = {}) => {
  let world: Awaited<ReturnType<typeof startWorld>> | undefined
  let distrust = () => {}
  const clients: ReturnType<typeof baileysClient>[] = []
  const now = () => {
    if (!world) throw new Error('There is no WhatsApp outside of a test.')
    return world
  }
  beforeAll(async () => {
    world = await startWorld(options)
    distrust = trustWhatsApp(world.whatsApp.rootKey)
  })
  afterEach(() => expect(now().errors()).toEqual([]))
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()))
    await now().stop()
    distrust()
  })
  return {
    get world() {
      return now()
    },
    /** Somebody new, with a client of theirs that is logged in. */
    linked: (name: string) => linkedAs(now().whatsApp.person(name)),
    linkedAs,
    person: (name: string) => now().whatsApp.person(name),
  }

  async function linkedAs(person: Person, config: Partial<UserFacingSocketConfig> = {}) {
    const client = baileysClient(now().whatsApp, {
      fetchAgent: new Agent({ ca: now().whatsApp.mediaCa }),
      ...config,
    })
    clients.push(client)
    await client.link(person)
    return { person, client }
  }
}
