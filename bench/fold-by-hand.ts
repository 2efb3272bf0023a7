import type { Pool } from 'pg'
import { textOf } from '../src/domain/content.ts'
import { idOfStream } from '../src/domain/decider.ts'
import { contactId } from '../src/domain/ids.ts'
import { numberOf } from '../src/domain/values.ts'
import { createTable } from '../src/projections/projection.ts'
import { conversations } from '../src/projections/conversations.ts'
import { searchText } from '../src/projections/search-text.ts'
import type { startedConversation, StoredMessage } from './events.ts'

/**
 * What the rebuild of the conversations is held against: the same work with nothing general about it. Unread messages
 * are added up by PostgreSQL, so that no row has to be read.
 */
const PAGE = 1000
const SCHEMA = 'by_hand'

type Entry = (StoredMessage | ReturnType<typeof startedConversation>)['event'] & {
  readonly position: number
  readonly stream: string
}
type Column = string | number | boolean | null
/** In the order of the columns of UPSERT. */
type Row = Column[]

const UPSERT = `
insert into ${SCHEMA}.conversation as c (id, number, tenant_id, instance_id, contact_id, chat, contact_number, is_group,
  automation, created_at, name, search, last_message, last_message_kind, last_message_number, last_message_at,
  last_incoming_number, unread_count)
select * from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::boolean[],
  $9::text[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::timestamptz[],
  $17::bigint[], $18::integer[])
on conflict (id) do update set
  name = excluded.name,
  search = excluded.search,
  last_message = excluded.last_message,
  last_message_kind = excluded.last_message_kind,
  last_message_number = excluded.last_message_number,
  last_message_at = excluded.last_message_at,
  last_incoming_number = excluded.last_incoming_number,
  unread_count = c.unread_count + excluded.unread_count`
const COLUMNS = 18
/** Where what a message changes begins. */
const NAME = 10
const UNREAD = 17

export const prepareFoldByHand = async (pool: Pool) => {
  await pool.query(`create schema ${SCHEMA}; create table ${SCHEMA}.checkpoint (position bigint);
    insert into ${SCHEMA}.checkpoint values (0); ${createTable(conversations, SCHEMA)}`)
}

const rowOf = (rows: Map<string, Row>, id: string, fresh: () => Row): Row => {
  const row = rows.get(id) ?? fresh()
  rows.set(id, row)
  return row
}

const fold = (page: readonly Entry[]): Row[] => {
  const rows = new Map<string, Row>()
  for (const { type, data, stream, meta } of page) {
    const { number, instanceId, chat, at } = data
    const own = (id: string, itsNumber: number): Row => [
      ...[
        id,
        itsNumber,
        meta.tenant,
        instanceId,
        contactId(instanceId, chat),
        chat,
        numberOf(chat),
        false,
        'none',
        at,
      ],
      ...[null, numberOf(chat), null, null, null, null, null, 0],
    ]
    if (type === 'ConversationStarted') {
      const id = idOfStream(stream)
      rowOf(rows, id, () => own(id, number))
      continue
    }
    const row = rowOf(rows, data.conversationId, () => own(data.conversationId, data.conversationNumber))
    const { senderName: name = null, content } = data
    const search = searchText([name], numberOf(chat))
    row.splice(NAME, UNREAD - NAME, name, search, textOf(content), content.kind, number, at, number)
    row[UNREAD] = Number(row[UNREAD]) + 1
  }
  return [...rows.values()]
}

/** Answers the number of events read. */
export const foldByHand = async (pool: Pool): Promise<number> => {
  const client = await pool.connect()
  try {
    await client.query(`truncate ${SCHEMA}.conversation`)
    let position = 0
    let count = 0
    for (;;) {
      const { rows: page } = await client.query<Entry>({
        name: 'by-hand-page',
        text: `select position, stream, type, data, meta from event where position > $1 order by position limit ${PAGE}`,
        values: [position],
      })
      const last = page.at(-1)
      if (!last) return count
      const rows = fold(page)
      await client.query('begin')
      const columns = Array.from({ length: COLUMNS }, (_, column) => rows.map((row) => row[column]))
      await client.query({ name: 'by-hand-upsert', text: UPSERT, values: columns })
      position = last.position
      count += page.length
      await client.query(`update ${SCHEMA}.checkpoint set position = ${position}`)
      await client.query('commit')
    }
  } finally {
    client.release()
  }
}
