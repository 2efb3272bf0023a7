import { randomBytes, randomUUID } from 'node:crypto'
import type { WAMessageKey } from '@whiskeysockets/baileys'
import { expect, test } from 'vitest'
import { createCipher, placeOf } from '../../../src/adapters/baileys/cipher.ts'
import { encode } from '../../../src/adapters/baileys/key-store.ts'
import { scrubWhatsApp } from '../../../src/adapters/baileys/scrub.ts'
import { openSessionStore } from '../../../src/adapters/baileys/session-store.ts'
import { testPool } from '../../support/database.ts'

const JOHN = '5511987654321@s.whatsapp.net'
const JOHN_HIDDEN = '171234567890123@lid'
const MARY = '5511987654322@s.whatsapp.net'
const TEAM = '120363001234567890@g.us'
const LIST = '1700000000@broadcast'

const unexpected = (error: unknown) => {
  throw error
}

/** A paired phone that knows John by his hidden id, too. */
const phone = async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const cipher = createCipher(randomBytes(32))
  const store = await openSessionStore({ pool, cipher, onError: unexpected }, { instanceId, term: 1 })
  const [number = '', hidden = ''] = [JOHN, JOHN_HIDDEN].map((jid) => jid.split('@')[0] ?? '')
  await store.auth.keys.set({ 'lid-mapping': { [number]: hidden, [`${hidden}_reverse`]: number } })

  const remember = (key: WAMessageKey) =>
    store.messages.remember([{ key, message: { conversation: `said in ${key.id ?? ''}` } }])
  const isRemembered = async (key: WAMessageKey) => (await store.messages.find(key)) !== undefined
  /** What came in and was not told yet. */
  const journal = async (stanza: Record<string, string>) => {
    const own = cipher(instanceId)
    const ciphertext = own.lookup('inbound', stanza['id'] ?? '')
    const value = own.seal(placeOf('whatsapp_inbound', ciphertext), encode({ plain: Buffer.of(1), stanza }))
    await pool.query(
      `insert into whatsapp_inbound (instance_id, ciphertext, plumbing, value) values ($1, $2, false, $3)`,
      [instanceId, ciphertext, value],
    )
  }
  const journalled = async () => {
    const { rows } = await pool.query<{ count: number }>('select count(*)::integer from whatsapp_inbound')
    return rows[0]?.count
  }
  /** As it is done for a deletion that was recorded just now. */
  const scrub = async (jids: readonly string[]) => {
    const { rows } = await pool.query<{ now: string }>('select clock_timestamp() as now')
    const at = rows[0]?.now ?? ''
    await scrubWhatsApp(pool, cipher)([{ owners: [], position: 1n, at, chats: { instanceId, jids } }])
  }
  return { remember, isRemembered, journal, journalled, scrub }
}

test('what the client remembers of an erased chat goes, by whichever of its addresses, and nothing else does', async () => {
  const { remember, isRemembered, scrub } = await phone()
  const of = (id: string, remoteJid: string, more: Partial<WAMessageKey> = {}) => ({
    ...{ id, remoteJid, fromMe: false },
    ...more,
  })
  const johns = [
    of('by number', JOHN),
    of('by number, of a device', '5511987654321:12@s.whatsapp.net'),
    of('by hidden id, with the number', JOHN_HIDDEN, { remoteJidAlt: JOHN }),
    of('to the hidden id', JOHN_HIDDEN, { fromMe: true }),
    of('by a hosted device', '171234567890123:99@hosted.lid'),
    of('to a list of people', LIST, { participant: JOHN }),
  ]
  const others = [
    of('of Mary', MARY),
    of('of Mary, to a list', LIST, { participant: MARY }),
    of('of John, in a group', TEAM, { participant: JOHN }),
  ]
  for (const key of [...johns, ...others]) await remember(key)
  await scrub([JOHN])
  const kept = await Promise.all([...johns, ...others].map(isRemembered))
  expect(kept).toEqual([...johns.map(() => false), ...others.map(() => true)])

  const anew = of('after the deletion', JOHN)
  await scrub([TEAM])
  await remember(anew)
  expect(await isRemembered(anew)).toBe(true)
  expect(await isRemembered(of('of John, in a group', TEAM))).toBe(false)
})

test('what came in of an erased chat and was not told is not told any more', async () => {
  const { journal, journalled, scrub } = await phone()
  await journal({ id: '1', from: JOHN_HIDDEN, sender_pn: JOHN })
  await journal({ id: '2', from: '5511900000000@s.whatsapp.net', recipient: JOHN_HIDDEN })
  await journal({ id: '3', from: LIST, participant: JOHN_HIDDEN })
  await journal({ id: '4', from: MARY })
  await journal({ id: '5', from: TEAM, participant: JOHN })
  await scrub([JOHN])
  expect(await journalled()).toBe(2)
})
