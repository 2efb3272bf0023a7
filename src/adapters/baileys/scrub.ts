import type { Pool } from 'pg'
import { isGroup, numberOf } from '../../domain/values.ts'
import type { Scrub } from '../../ports/scrub.ts'
import { placeOf, type Cipher, type SessionCipher } from './cipher.ts'
import { isHidden, jidOf } from './jids.ts'

const PAGE = 500

type Row = { readonly id: Buffer; readonly value: Buffer }
type Dated = Row & { readonly at: string }
type Table = {
  readonly name: 'whatsapp_message' | 'whatsapp_inbound'
  readonly key: 'id' | 'ciphertext'
  /** JIDs that the content of a row names as its chat; in the form of what was stored, but for what is binary. */
  readonly chatsIn: (content: Content) => readonly unknown[]
}
type Content = {
  readonly key?: Readonly<Record<'remoteJid' | 'remoteJidAlt' | 'participant' | 'participantAlt', unknown>>
  readonly stanza?: Readonly<Record<string, unknown>>
}

/** What is written to a list of people is in the chat of each of them. */
const isList = (jid: unknown) => typeof jid === 'string' && jid.endsWith('@broadcast')

const tables: readonly Table[] = [
  {
    name: 'whatsapp_message',
    key: 'id',
    chatsIn: ({ key }) => [
      key?.remoteJid,
      key?.remoteJidAlt,
      ...(isList(key?.remoteJid) ? [key?.participant, key?.participantAlt] : []),
    ],
  },
  {
    name: 'whatsapp_inbound',
    key: 'ciphertext',
    chatsIn: ({ stanza = {} }) => [
      stanza['from'],
      stanza['recipient'],
      stanza['sender_pn'],
      stanza['sender_lid'],
      stanza['peer_recipient_pn'],
      stanza['peer_recipient_lid'],
      ...(isList(stanza['from'])
        ? [stanza['participant'], stanza['participant_pn'], stanza['participant_lid']]
        : []),
    ],
  },
]

/**
 * Deletes what is kept of the messages of chats for WhatsApp, as far as it came before the deletion. Which chat a row is of
 * stands in what is encrypted, so that all rows of an instance are looked at, once for all of its chats. Needs no session,
 * and no library.
 */
export const scrubWhatsApp =
  (pool: Pool, cipherOf: Cipher): Scrub =>
  async (erased) => {
    const instances = new Map<string, Map<string, string>>()
    for (const { chats, at } of erased) {
      if (!chats || chats.jids.length === 0) continue
      const { instanceId, jids } = chats
      const deletedAt = instances.get(instanceId) ?? new Map<string, string>()
      instances.set(instanceId, deletedAt)
      for (const jid of jids) if ((deletedAt.get(jid) ?? '') < at) deletedAt.set(jid, at)
    }
    for (const [instanceId, deletedAt] of instances) {
      const place = { pool, cipher: cipherOf(instanceId), instanceId }
      for (const [other, jid] of await otherJidsOf(place, [...deletedAt.keys()]))
        deletedAt.set(other, deletedAt.get(jid) ?? '')
      for (const table of tables) await scrubTable(place, table, deletedAt)
    }
  }

type Place = { readonly pool: Pool; readonly cipher: SessionCipher; readonly instanceId: string }

/** What WhatsApp's client calls the pairs of hidden ids and numbers that it keeps. */
const PAIRS = 'lid-mapping'

/** The hidden ids of people whose numbers are given, and the other way round: what goes out names those alone. */
const otherJidsOf = async ({ pool, cipher, instanceId }: Place, jids: readonly string[]) => {
  const asked = new Map(
    jids
      .filter((jid) => !isGroup(jid))
      .map((jid) => {
        const [name, server] = isHidden(jid)
          ? [`${numberOf(jid)}_reverse`, 's.whatsapp.net']
          : [numberOf(jid), 'lid']
        const id = cipher.lookup(PAIRS, name)
        return [id.toString('hex'), { id, jid, server }] as const
      }),
  )
  const { rows } = await pool.query<Row>(
    'select id, value from whatsapp_key where instance_id = $1 and kind = $2 and id = any($3)',
    [instanceId, PAIRS, [...asked.values()].map(({ id }) => id)],
  )
  return rows.flatMap(({ id, value }) => {
    const user = opened(cipher, placeOf('whatsapp_key', PAIRS, id), value)
    const known = asked.get(id.toString('hex'))
    return typeof user === 'string' && known ? [[`${user}@${known.server}`, known.jid] as const] : []
  })
}

/** `deletedAt`: until when what is kept of a JID goes. */
const scrubTable = async (
  { pool, cipher, instanceId }: Place,
  { name, key, chatsIn }: Table,
  deletedAt: ReadonlyMap<string, string>,
) => {
  const isWanted = ({ id, value, at }: Dated) => {
    // As it was stored.
    const content = opened(cipher, placeOf(name, id), value) as Content | undefined
    return (
      content !== undefined && chatsIn(content).some((jid) => at <= (deletedAt.get(jidOf(jid) ?? '') ?? ''))
    )
  }
  const last = [...deletedAt.values()].reduce((one, other) => (one > other ? one : other))
  for (let after: Buffer = Buffer.alloc(0); ;) {
    const { rows } = await pool.query<Dated>({
      name: `scrub-${name}`,
      text: `select ${key} as id, value, at from ${name}
             where instance_id = $1 and ${key} > $2 and at <= $3 order by instance_id, ${key} limit ${PAGE}`,
      values: [instanceId, after, last],
    })
    const own = rows.filter(isWanted).map(({ id }) => id)
    if (own.length > 0)
      await pool.query(`delete from ${name} where instance_id = $1 and ${key} = any($2)`, [instanceId, own])
    const end = rows.at(-1)
    if (!end) return
    after = end.id
  }
}

/** What was written under another key, or is damaged, nobody can read. */
const opened = (cipher: SessionCipher, place: Buffer, value: Buffer): unknown => {
  try {
    return JSON.parse(cipher.open(place, value).toString())
  } catch {
    return undefined
  }
}
