import { randomBytes, randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { DEFAULT_CONNECTION_CONFIG, proto, type BinaryNode, type WAMessage } from '@whiskeysockets/baileys'
import type { Pool } from 'pg'
import { expect, test } from 'vitest'
import { createCipher } from '../../../src/adapters/baileys/cipher.ts'
import { purgeSessions } from '../../../src/adapters/baileys/kept.ts'
import { openSessionStore } from '../../../src/adapters/baileys/session-store.ts'
import { handleInTurn } from '../../../src/adapters/baileys/stanzas.ts'
import { testPool } from '../../support/database.ts'
import { range } from '../../support/range.ts'
import {
  padded,
  signalDevice,
  stanzaOf,
  textOf,
  type Payload,
  type SignalDevice,
} from '../../support/signal.ts'
import { gate } from '../../support/subscriber.ts'

const cipher = createCipher(randomBytes(32))
const ME = { id: '5511911111111:7@s.whatsapp.net', lid: '911:7@lid' }
const ALICE = '111@lid'
const GROUP = '120363000000000000@g.us'

/** A start of the program: the session as the database has it, with a socket that stanzas come over. */
const start = async (pool: Pool, instanceId: string) => {
  const errors: unknown[] = []
  const store = await openSessionStore(
    { pool, cipher, onError: (error) => errors.push(error) },
    { instanceId, term: 1 },
  )
  Object.assign(store.auth.creds, { me: ME, account: {} })
  await store.saveCreds()
  const device = signalDevice(ME.id, store.auth, store.journal.makeSignalRepository)
  /** As the library goes about it: a stanza, and each of its payloads. */
  const receive = async (attrs: BinaryNode['attrs'], ...payloads: readonly Payload[]) => {
    const content = payloads.map(({ type, ciphertext }) => ({
      tag: 'enc',
      attrs: { type },
      content: ciphertext,
    }))
    store.journal.expect({ tag: 'message', attrs, content })
    const author = attrs['participant'] ?? attrs['from'] ?? ''
    const texts: string[] = []
    for (const { type, ciphertext } of payloads)
      texts.push(
        textOf(
          type === 'skmsg'
            ? await device.repository.decryptGroupMessage({
                group: attrs['from'] ?? '',
                authorJid: author,
                msg: ciphertext,
              })
            : await device.repository.decryptMessage({ jid: author, type, ciphertext }),
        ),
      )
    return texts
  }
  return { ...store, errors, device, receive }
}
type Started = Awaited<ReturnType<typeof start>>

/** Somebody who has a session with us. */
const contactOf = async ({ device }: Started, jid = ALICE) => {
  const contact = signalDevice(jid)
  await contact.repository.injectE2ESession({ jid: ME.id, session: device.bundle() })
  return contact
}
const write = (contact: SignalDevice, message: string | proto.IMessage): Promise<Payload> =>
  contact.repository.encryptMessage({ jid: ME.id, data: padded(message) })
const textsOf = (messages: readonly WAMessage[]) => messages.map(({ message }) => message?.conversation)

test('a message that comes again after a crash is answered from the journal; the library alone has lost it', async () => {
  const pool = await testPool()
  const [instanceId, stockId] = [randomUUID(), randomUUID()]
  const before = await start(pool, instanceId)
  const payload = await write(await contactOf(before), 'precious')
  const stanza = stanzaOf(ALICE)
  expect(await before.receive(stanza, payload)).toEqual(['precious'])

  const after = await start(pool, instanceId)
  expect(await after.receive({ ...stanza, offline: '1' }, payload)).toEqual(['precious'])
  expect(await after.receive(stanza, payload)).toEqual(['precious'])

  const { auth } = await start(pool, stockId)
  const stock = signalDevice(ME.id, auth, DEFAULT_CONNECTION_CONFIG.makeSignalRepository)
  const alice = await contactOf({ ...after, device: stock })
  const again = await write(alice, 'precious')
  expect(await stock.read(ALICE, again)).toBe('precious')
  await expect(stock.read(ALICE, again)).rejects.toThrow()
})

test('what one wrote is not answered from the journal for another one, or for another message', async () => {
  const pool = await testPool()
  const store = await start(pool, randomUUID())
  const [alice, bob] = [await contactOf(store), await contactOf(store, '222@lid')]
  for (const contact of [alice, bob]) {
    await store.receive(stanzaOf(contact.jid), await write(contact, 'hello'))
    const reply = { jid: contact.jid, data: padded('hello') }
    await contact.read(ME.id, await store.device.repository.encryptMessage(reply))
  }
  const payload = await write(alice, 'by Alice')
  expect(payload.type).toBe('msg')
  await store.receive(stanzaOf(ALICE, 'ID'), payload)
  for (const stanza of [stanzaOf('222@lid', 'ID'), stanzaOf(ALICE, 'OTHER')])
    await expect(store.receive(stanza, payload)).rejects.toThrow()
})

test('the conversation goes on after a message was answered from the journal', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const before = await start(pool, instanceId)
  const alice = await contactOf(before)
  const payload = await write(alice, 'one')
  await before.receive(stanzaOf(ALICE, 'ONE'), payload)
  const after = await start(pool, instanceId)
  await after.receive(stanzaOf(ALICE, 'ONE'), payload)
  expect(await after.receive(stanzaOf(ALICE), await write(alice, 'two'))).toEqual(['two'])
  const reply = await after.device.repository.encryptMessage({ jid: ALICE, data: padded('three') })
  expect(await alice.read(ME.id, reply)).toBe('three')
})

test('messages that were not told are read back as the library tells them, oldest first', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const before = await start(pool, instanceId)
  const alice = await contactOf(before)
  for (const text of ['one', 'two', 'three'])
    await before.receive(
      { ...stanzaOf(`111:2@lid`, text), sender_pn: '5511922222222@s.whatsapp.net' },
      await write(alice, text),
    )

  const { journal } = await start(pool, instanceId)
  const messages = await journal.pending()
  expect(textsOf(messages)).toEqual(['one', 'two', 'three'])
  expect(messages[0]).toMatchObject({
    key: {
      remoteJid: '111@lid',
      remoteJidAlt: '5511922222222@s.whatsapp.net',
      id: 'one',
      fromMe: false,
      addressingMode: 'lid',
    },
    pushName: 'Alice',
    messageTimestamp: 1_700_000_000,
  })
})

test('a message that was typed on the phone of the account is read back as its own, in its chat', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const before = await start(pool, instanceId)
  const phone = await contactOf(before, '911@lid')
  const payload = await write(phone, {
    deviceSentMessage: { destinationJid: ALICE, message: { conversation: 'from my phone' } },
  })
  await before.receive({ ...stanzaOf('911@lid', 'own'), recipient: ALICE }, payload)
  const { journal } = await start(pool, instanceId)
  const [message] = await journal.pending()
  expect(message).toMatchObject({
    key: { remoteJid: ALICE, id: 'own', fromMe: true },
    message: { conversation: 'from my phone' },
  })
  await journal.settle([message?.key ?? {}])
  expect(await journal.pending()).toEqual([])
})

test('what was told is settled, by id and author', async () => {
  const pool = await testPool()
  const store = await start(pool, randomUUID())
  const [alice, bob] = [await contactOf(store), await contactOf(store, '222@lid')]
  await store.receive(stanzaOf(ALICE, 'ID'), await write(alice, 'by Alice'))
  await store.receive(stanzaOf('222@lid', 'ID'), await write(bob, 'by Bob'))
  await store.receive(stanzaOf(ALICE, 'OTHER'), await write(alice, 'later'))
  await store.journal.settle([{ remoteJid: ALICE, id: 'ID', fromMe: false }])
  expect(textsOf(await store.journal.pending())).toEqual(['by Bob', 'later'])
})

test('a message of a group is journalled with its key, which is not told, and both are settled', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const store = await start(pool, instanceId)
  const alice = await contactOf(store)
  const { ciphertext, senderKeyDistributionMessage } = await alice.repository.encryptGroupMessage({
    group: GROUP,
    meId: ALICE,
    data: padded('to all'),
  })
  const item = { groupId: GROUP, axolotlSenderKeyDistributionMessage: senderKeyDistributionMessage }
  const key = await write(alice, { senderKeyDistributionMessage: item })
  const attrs = { ...stanzaOf(GROUP, 'G1'), participant: ALICE }
  await store.receive(attrs, key)
  await store.device.repository.processSenderKeyDistributionMessage({ item, authorJid: ALICE })
  const payload = { type: 'skmsg', ciphertext } as const
  expect(await store.receive(attrs, payload)).toEqual(['to all'])

  const after = await start(pool, instanceId)
  expect(await after.receive(attrs, key, payload)).toEqual(['', 'to all'])
  const messages = await after.journal.pending()
  expect(textsOf(messages)).toEqual(['to all'])
  expect(messages[0]?.key).toMatchObject({ remoteJid: GROUP, participant: ALICE })
  await after.journal.settle(messages.map((message) => message.key))
  expect((await pool.query('select from whatsapp_inbound')).rowCount).toBe(0)
})

test('what devices of the account tell each other is for the library, when it comes again', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const before = await start(pool, instanceId)
  const phone = await contactOf(before, '911@lid')
  const { APP_STATE_SYNC_KEY_SHARE, REVOKE } = proto.Message.ProtocolMessage.Type
  const share = await write(phone, { protocolMessage: { type: APP_STATE_SYNC_KEY_SHARE } })
  await before.receive({ ...stanzaOf('911@lid', 'K'), category: 'peer' }, share)
  const revoke = { protocolMessage: { type: REVOKE, key: { id: 'X' } } }
  await before.receive(stanzaOf(ALICE, 'R'), await write(await contactOf(before), revoke))

  const after = await start(pool, instanceId)
  expect((await after.journal.pending()).map(({ key }) => key.id)).toEqual(['R'])
  expect(await after.receive({ ...stanzaOf('911@lid', 'K'), category: 'peer' }, share)).toEqual([''])
})

test('plaintext is in the database together with the ratchet, or not at all, and encrypted', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const store = await start(pool, instanceId)
  const payload = await write(await contactOf(store), 'The parcel is at the door')
  await pool.query('alter table whatsapp_inbound add constraint none check (false)')
  await expect(store.receive(stanzaOf(ALICE), payload)).rejects.toThrow('none')
  expect((await pool.query(`select from whatsapp_key where kind = 'session'`)).rowCount).toBe(0)
  await pool.query('alter table whatsapp_inbound drop constraint none')

  const after = await start(pool, instanceId)
  expect(await after.receive(stanzaOf(ALICE), payload)).toEqual(['The parcel is at the door'])
  const { rows } = await pool.query('select * from whatsapp_inbound')
  expect(rows).toHaveLength(1)
  const bytes = Buffer.concat(
    Object.values(rows[0]).map((value) => Buffer.from(Buffer.isBuffer(value) ? value : String(value))),
  )
  for (const secret of ['parcel', Buffer.from('The parcel').toString('base64').slice(0, 12), '111@lid'])
    expect(bytes.includes(secret)).toBe(false)
})

test('what was unlinked stays to be told', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const store = await start(pool, instanceId)
  await store.receive(stanzaOf(ALICE), await write(await contactOf(store), 'goodbye'))
  await store.wipe()
  expect(textsOf(await store.journal.pending())).toEqual(['goodbye'])
  expect(textsOf(await (await start(pool, instanceId)).journal.pending())).toEqual(['goodbye'])
})

test('a row that was damaged does not hold up the others, and raises an alarm', async () => {
  const pool = await testPool()
  const store = await start(pool, randomUUID())
  const alice = await contactOf(store)
  for (const text of ['one', 'two', 'three']) await store.receive(stanzaOf(ALICE), await write(alice, text))
  await pool.query(
    'update whatsapp_inbound set value = set_byte(value, 40, get_byte(value, 40) # 1) where seq = (select min(seq) + 1 from whatsapp_inbound)',
  )
  expect(textsOf(await store.journal.pending())).toEqual(['one', 'three'])
  expect(store.errors.map(String)).toEqual([expect.stringContaining('cannot be decrypted')])
})

test('after 14 days a message is given up with an alarm, and plumbing without', async () => {
  const pool = await testPool()
  const store = await start(pool, randomUUID())
  const alice = await contactOf(store)
  await store.receive(stanzaOf(ALICE, 'K'), await write(alice, { senderKeyDistributionMessage: {} }))
  const errors: unknown[] = []
  const sweep = () => purgeSessions(pool, (error) => errors.push(String(error)))
  await pool.query(`update whatsapp_inbound set at = now() - interval '15 days'`)
  await sweep()
  expect(errors).toEqual([])

  await store.receive(stanzaOf(ALICE), await write(alice, 'old'))
  await sweep()
  expect(textsOf(await store.journal.pending())).toEqual(['old'])
  await pool.query(`update whatsapp_inbound set at = now() - interval '15 days'`)
  await sweep()
  expect(errors).toEqual([expect.stringContaining('1 WhatsApp messages could not be told')])
  expect(await store.journal.pending()).toEqual([])
})

test('the first of a backlog that is longer than what fits into memory can be read back', async () => {
  const store = await start(await testPool(), randomUUID())
  const { type, ciphertext } = await write(await contactOf(store), 'first of thousands')
  const ws = Object.assign(new EventEmitter(), { isOpen: true })
  const { opened, open } = gate()
  const { opened: done, open: over } = gate()
  ws.on('CB:message', async ({ attrs }: BinaryNode) => {
    if (attrs['id'] !== 'FIRST') return
    await opened
    await store.device.repository.decryptMessage({ jid: ALICE, type: 'pkmsg', ciphertext })
    over()
  })
  const onFailed = (error: unknown) => void store.errors.push(error)
  handleInTurn({ ws }, { hasRoom: async () => undefined, before: store.journal.expect, onFailed })
  const come = (id: string, payload: Uint8Array) => {
    const content = [{ tag: 'enc', attrs: { type }, content: payload }]
    ws.emit('CB:message', { tag: 'message', attrs: stanzaOf(ALICE, id), content })
  }
  come('FIRST', ciphertext)
  for (const n of range(6000)) come(`LATER-${n}`, Buffer.from(`payload ${n}`))
  open()
  await done
  expect(textsOf(await store.journal.pending())).toEqual(['first of thousands'])
  expect(store.errors).toEqual([])
})

test('a payload whose stanza was not seen is read, and an alarm says that it cannot be read back', async () => {
  const pool = await testPool()
  const store = await start(pool, randomUUID())
  const payload = await write(await contactOf(store), 'hello')
  expect(await store.device.read(ALICE, payload)).toBe('hello')
  expect(store.errors).toHaveLength(1)
  expect(await store.journal.pending()).toEqual([])
})
