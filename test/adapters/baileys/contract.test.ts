import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCipher } from '../../../src/adapters/baileys/cipher.ts'
import { baileysGateway } from '../../../src/adapters/baileys/gateway.ts'
import { folderMediaStore } from '../../../src/adapters/media/folder.ts'
import { createPool } from '../../../src/adapters/postgres/pool.ts'
import type { Content } from '../../../src/domain/content.ts'
import { gatewayContract } from '../../contracts/gateway.ts'
import { trustWhatsApp, type Person, type Received } from '../../stand-ins/whatsapp/whatsapp.ts'
import { startWorld } from '../../stand-ins/whatsapp/world.ts'
import { createTestDatabase } from '../../support/database.ts'
import { quick } from './whatsapp.ts'

const maria = '5511988887777'
const unwilling = '5511900000000'
/** People whom groups are made of. */
const others = ['5511999999999', ...Array.from({ length: 10 }, (_, n) => `55119777700${n + 10}`)]

const contentOf = ({ message, text = '' }: Received): Content => {
  const { reactionMessage: reaction } = message
  if (!reaction) return { kind: 'text', text }
  return { kind: 'reaction', targetWhatsappId: reaction.key?.id ?? '', emoji: reaction.text ?? '' }
}

gatewayContract('baileys', async () => {
  const database = await createTestDatabase()
  const pool = createPool(database.url, { max: 10, onError: () => undefined })
  const world = await startWorld()
  const { whatsApp } = world
  const distrust = trustWhatsApp(whatsApp.rootKey)
  const folder = await mkdtemp(join(tmpdir(), 'zapini-whatsapp-'))
  const gateway = baileysGateway({
    ...{ url: whatsApp.url, pool, cipher: createCipher(randomBytes(32)) },
    ...{ mediaStore: folderMediaStore(folder), mediaCa: whatsApp.mediaCa },
    timing: quick,
    log: () => undefined,
  })
  const owners = new Map<string, Person>()
  const ownerOf = (instanceId: string): Person => {
    const owner = owners.get(instanceId)
    if (!owner) throw new Error('Nobody has paired this instance')
    return owner
  }
  const personOf = (jid: string): Person => {
    const person = whatsApp.find(jid)
    if (!person) throw new Error(`There is nobody with ${jid}`)
    return person
  }
  whatsApp.person('Maria', { phoneNumber: maria })
  for (const [n, phoneNumber] of others.entries()) whatsApp.person(`Person ${n}`, { phoneNumber })
  world.groups.unwilling.add(whatsApp.person('Unwilling', { phoneNumber: unwilling }))
  for (const person of whatsApp.people) person.answers = []

  return {
    gateway,
    whatsapp: {
      pair: async (instanceId, qr, phoneNumber) => {
        const owner = whatsApp.person('Shop', { phoneNumber })
        owner.answers = []
        owners.set(instanceId, owner)
        await owner.scan(qr)
      },
      delivered: (instanceId) => {
        const owner = owners.get(instanceId)
        const got = whatsApp.people.flatMap((person) =>
          person.inbox
            .filter(({ sender }) => sender === owner && person !== owner)
            .map((received) => ({ whatsappId: received.id, chat: person.jid, content: contentOf(received) })),
        )
        return Promise.resolve(got)
      },
      write: (instanceId, { from, text, whatsappId }) =>
        personOf(from).writeTo(ownerOf(instanceId), text, { id: whatsappId }),
      receipt: (instanceId, { whatsappId, status }) => {
        const type = status === 'delivered' ? 'delivery' : 'read'
        return Promise.resolve(
          personOf(maria + '@s.whatsapp.net').receipt(ownerOf(instanceId), whatsappId, type),
        )
      },
      react: (instanceId, { from, targetWhatsappId, emoji }) =>
        personOf(from).react(ownerOf(instanceId), targetWhatsappId, emoji),
      groups: {
        unwilling: `${unwilling}@s.whatsapp.net`,
        addedTo: (instanceId, { subject, by }) => {
          const { group } = world.groups.create(personOf(by), subject, [ownerOf(instanceId).jid], {
            locked: true,
          })
          return Promise.resolve(group.id)
        },
      },
    },
    stop: async () => {
      await gateway.stop()
      await world.stop()
      distrust()
      await pool.end()
      await database.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
})
