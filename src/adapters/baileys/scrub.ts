import type { Pool } from 'pg'
import { personOf } from '../../domain/values.ts'
import type { Scrub } from '../../ports/scrub.ts'
import { placeOf, type Cipher, type SessionCipher } from './cipher.ts'

const PAGE = 500

type Row = { readonly id: Buffer; readonly value: Buffer }
type Table = {
  readonly name: 'whatsapp_message' | 'whatsapp_inbound'
  readonly key: 'id' | 'ciphertext'
  /** JIDs that the content of a row names as its chat; in the form of what was stored, but for what is binary. */
  readonly chatsIn: (content: Content) => readonly (string | undefined)[]
}
type Content = {
  readonly key?: { readonly remoteJid?: string; readonly remoteJidAlt?: string }
  readonly stanza?: Readonly<Record<string, string>>
}

const tables: readonly Table[] = [
  {
    name: 'whatsapp_message',
    key: 'id',
    chatsIn: ({ key }) => [key?.remoteJid, key?.remoteJidAlt],
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
    ],
  },
]

/**
 * Deletes what is kept of the messages of a chat for WhatsApp, as far as it came before the deletion. Which chat a row is
 * of stands in what is encrypted, so that all rows of the instance are looked at. Needs no session, and no library.
 */
export const scrubWhatsApp =
  (pool: Pool, cipherOf: Cipher): Scrub =>
  async ({ chats, at }) => {
    if (!chats || chats.jids.length === 0) return
    const cipher = cipherOf(chats.instanceId)
    for (const table of tables) await scrubTable(pool, cipher, table, { ...chats, at })
  }

const scrubTable = async (
  pool: Pool,
  cipher: SessionCipher,
  { name, key, chatsIn }: Table,
  { instanceId, jids, at }: { instanceId: string; jids: readonly string[]; at: string },
) => {
  const wanted = new Set(jids)
  const isWanted = ({ id, value }: Row) => {
    const content = contentOf(cipher, placeOf(name, id), value)
    return (
      content !== undefined && chatsIn(content).some((jid) => jid !== undefined && wanted.has(plain(jid)))
    )
  }
  for (let after: Buffer = Buffer.alloc(0); ;) {
    const { rows } = await pool.query<Row>({
      name: `scrub-${name}`,
      text: `select ${key} as id, value from ${name}
             where instance_id = $1 and ${key} > $2 and at <= $3 order by instance_id, ${key} limit ${PAGE}`,
      values: [instanceId, after, at],
    })
    const own = rows.filter(isWanted).map(({ id }) => id)
    if (own.length > 0)
      await pool.query(`delete from ${name} where instance_id = $1 and ${key} = any($2)`, [instanceId, own])
    const last = rows.at(-1)
    if (!last) return
    after = last.id
  }
}

/** Without the device. */
const plain = (jid: string) => personOf(jid) ?? jid

/** What was written under another key, or is damaged, nobody can read. */
const contentOf = (cipher: SessionCipher, place: Buffer, value: Buffer): Content | undefined => {
  try {
    return JSON.parse(cipher.open(place, value).toString()) as Content
  } catch {
    return undefined
  }
}
