import type { Pool } from 'pg'
import { isMedia, isSignal, textOf, type Content } from '../src/domain/content.ts'
import { idOfStream } from '../src/domain/decider.ts'
import { messages } from '../src/projections/messages.ts'
import { createTable, createIndex } from '../src/projections/projection.ts'
import { START, type EventStore } from '../src/ports/event-store.ts'
import { readLog } from '../src/read-log.ts'

/**
 * What the replay of the messages is held against: the same rows, made with nothing general about it, the whole table in
 * memory, written in one transaction. It cannot be gone on with, and takes whatever memory there is.
 */
const SCHEMA = 'by_hand'
const ROWS_AT_ONCE = 10_000
const { name, columns, indexes } = messages

type Row = Record<string, unknown>
/** As much of the data of an event as is looked at. */
type Data = {
  readonly number: number
  readonly instanceId: string
  readonly conversationId: string
  readonly whatsappId: string
  readonly sender?: string
  readonly senderName?: string
  readonly content: Content
  readonly at: string
  readonly reason: string
  readonly text: string
  readonly into: string
}

const fold = async (store: EventStore, rows: Map<string, Row>) => {
  const inConversation = new Map<string, string[]>()
  let count = 0
  for await (const page of readLog(store, START, await store.head())) {
    count += page.length
    for (const { type, stream, data, meta } of page) {
      const id = idOfStream(stream)
      const row = rows.get(id)
      const { conversationId, content, at } = data as Data
      switch (type) {
        case 'MessageQueued':
        case 'MessageReceived': {
          if (isSignal(content)) break
          rows.set(id, { ...firstRow(id, type === 'MessageQueued', data as Data, meta), at })
          const others = inConversation.get(conversationId)
          if (others) others.push(id)
          else inConversation.set(conversationId, [id])
          break
        }
        case 'MessageSent':
        case 'MessageDelivered':
        case 'MessageRead':
          if (row)
            Object.assign(row, { status: type.slice('Message'.length).toLowerCase(), updated_at: meta.at })
          break
        case 'MessageFailed':
          if (row) Object.assign(row, { status: 'failed', error: (data as Data).reason, updated_at: meta.at })
          break
        case 'MessageReacted':
          if (row) Object.assign(row, { reactions: [data], updated_at: meta.at })
          break
        case 'MessageEdited':
          if (row) Object.assign(row, { body: (data as Data).text, edited_at: at, updated_at: meta.at })
          break
        case 'MessageDeleted':
          if (row) Object.assign(row, { body: null, reactions: [], deleted_at: at, updated_at: meta.at })
          break
        case 'ConversationDeleted':
          for (const gone of inConversation.get(id) ?? []) rows.delete(gone)
          inConversation.delete(id)
          break
        case 'ConversationMerged': {
          const moved = inConversation.get(id) ?? []
          for (const one of moved)
            Object.assign(rows.get(one) ?? {}, { conversation_id: (data as Data).into })
          inConversation.get((data as Data).into)?.push(...moved)
          inConversation.delete(id)
        }
      }
    }
  }
  return count
}

const firstRow = (id: string, isOurs: boolean, data: Data, meta: { tenant: string; at: string }): Row => {
  const { content } = data
  const media = isMedia(content) ? content : undefined
  return {
    id,
    number: data.number,
    tenant_id: meta.tenant,
    instance_id: data.instanceId,
    conversation_id: data.conversationId,
    whatsapp_id: data.whatsappId,
    direction: isOurs ? 'outgoing' : 'incoming',
    sender_jid: data.sender,
    sender_name: data.senderName,
    kind: content.kind,
    body: textOf(content),
    media_id: media?.mediaId,
    media_size: media?.size,
    mime_type: media?.mimeType,
    details: {},
    mentions: [],
    reactions: [],
    status: isOurs ? 'queued' : 'received',
    imported: false,
    place: 0,
    updated_at: meta.at,
  }
}

/** Answers the number of events read. */
export const messagesByHand = async (pool: Pool, store: EventStore): Promise<number> => {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query(`drop schema if exists ${SCHEMA} cascade; create schema ${SCHEMA};
      ${createTable(messages, SCHEMA, [])}`)
    const rows = new Map<string, Row>()
    const count = await fold(store, rows)
    const all = [...rows.values()]
    for (let first = 0; first < all.length; first += ROWS_AT_ONCE)
      await client.query({
        name: 'by-hand-insert',
        text: `insert into ${SCHEMA}.${name} (${Object.keys(columns).join(', ')})
               select ${Object.keys(columns).join(', ')} from json_populate_recordset(null::${SCHEMA}.${name}, $1::json)`,
        values: [JSON.stringify(all.slice(first, first + ROWS_AT_ONCE))],
      })
    for (const index of indexes) await client.query(createIndex(name, SCHEMA, index))
    await client.query('commit')
    return count
  } finally {
    client.release()
  }
}
