import { proto, type WAMessage, type WAMessageKey } from '@whiskeysockets/baileys'
import { placeOf } from './cipher.ts'
import { decode, encode } from './key-store.ts'
import type { Opening } from './opening.ts'

type Key = Pick<WAMessageKey, 'id' | 'fromMe'>

/**
 * Messages as WhatsApp has them, both ways, for 30 days: retries, replies and edits need them. One that has a content is
 * never changed: whoever knows the id of a message could else send another one under it, and have that one repeated.
 */
export type MessageMemory = {
  remember(messages: readonly WAMessage[]): Promise<void>
  find(key: Key): Promise<WAMessage | undefined>
  forget(keys: readonly Key[]): Promise<void>
}

type Entry = { readonly key: WAMessageKey; readonly info: Buffer }

export const createMessageMemory = ({ instanceId, pool, cipher, attempt }: Opening): MessageMemory => {
  const place = (lookup: Buffer) => placeOf('whatsapp_message', lookup)
  const lookupOf = ({ id, fromMe }: Key) => cipher.lookup(fromMe ? 'own message' : 'message', id ?? '')

  return {
    remember: async (messages) => {
      const rows = messages
        .filter(({ message }) => message)
        .map((message) => {
          const lookup = lookupOf(message.key)
          const entry: Entry = {
            key: message.key,
            info: Buffer.from(proto.WebMessageInfo.encode(message).finish()),
          }
          return { lookup, value: cipher.seal(place(lookup), encode(entry)) }
        })
      if (rows.length === 0) return
      await pool.query({
        name: 'whatsapp-remember',
        text: `insert into whatsapp_message (instance_id, id, value)
               select $1, m.id, m.value
               from (select from whatsapp_session where instance_id = $1 for share) present,
                 unnest($2::bytea[], $3::bytea[]) m(id, value)
               order by m.id
               on conflict (instance_id, id) do nothing`,
        values: [instanceId, rows.map(({ lookup }) => lookup), rows.map(({ value }) => value)],
      })
    },

    find: async (key) => {
      const lookup = lookupOf(key)
      // What is to be sent waits for the next connection, which needs the database first.
      const { rows } = await attempt(() =>
        pool.query<{ value: Buffer }>({
          name: 'whatsapp-remembered',
          text: 'select value from whatsapp_message where instance_id = $1 and id = $2',
          values: [instanceId, lookup],
        }),
      )
      if (!rows[0]) return undefined
      const entry = decode(cipher.open(place(lookup), rows[0].value)) as Entry
      return Object.assign(proto.WebMessageInfo.decode(entry.info), { key: entry.key })
    },

    forget: async (keys) => {
      await pool.query({
        name: 'whatsapp-forget',
        text: 'delete from whatsapp_message where instance_id = $1 and id = any($2)',
        values: [instanceId, keys.map(lookupOf)],
      })
    },
  }
}
