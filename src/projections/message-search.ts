import { sql, type Kysely } from 'kysely'
import { isSignal, textOf } from '../domain/content.ts'
import { idOfStream } from '../domain/decider.ts'
import { wordsIn, type SearchTerm } from '../domain/words.ts'
import type { Database } from './database.ts'
import { projection, put, remove, update, type RecordedOf } from './projection.ts'

export type MessageSearchRow = {
  id: string
  tenant_id: string
  instance_id: string
  conversation_id: string
  number: number
  at: string
  /** The words of the text with their places, as PostgreSQL writes a tsvector. */
  words: string
}

/** Longer texts are found by their beginning. */
const WORDS_MAX = 2000
/** Nobody waits for it but a search, which ends the rest; so the index is written in large portions. */
const REST_MS = 100

/** Words hold letters and digits only, so that nothing in them needs escaping. */
export const vectorOf = (text: string | null): string => {
  const places: string[] = []
  for (const { word } of wordsIn(text ?? ''))
    if (places.push(`'${word}':${places.length + 1}`) === WORDS_MAX) break
  return places.join(' ')
}

type Body = RecordedOf<'MessageQueued'> | RecordedOf<'MessageReceived'> | RecordedOf<'MessageSentFromPhone'>

const firstRow = ({ data, stream, meta }: Body) => {
  if (isSignal(data.content)) return []
  const id = idOfStream(stream)
  return [
    put<MessageSearchRow>(id, {
      id,
      tenant_id: meta.tenant,
      instance_id: data.instanceId,
      conversation_id: data.conversationId,
      number: data.number,
      at: data.at,
      words: vectorOf(textOf(data.content)),
    }),
  ]
}

/** The words of every message, for finding it by them: a text, or what is written under a picture. */
export const messageSearch = projection<MessageSearchRow>({
  name: 'message_search',
  version: 3,
  key: 'id',
  columns: {
    id: 'uuid',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    conversation_id: 'uuid not null',
    number: 'bigint not null',
    at: 'timestamptz not null',
    words: 'tsvector not null',
  },
  restMs: REST_MS,
  // Rare words by the first; frequent ones from the newest message backwards, until enough are found.
  indexes: [
    'using gin (tenant_id, instance_id, words)',
    '(tenant_id, at desc)',
    '(conversation_id, at desc)',
  ],
  on: {
    MessageQueued: firstRow,
    MessageReceived: firstRow,
    MessageSentFromPhone: firstRow,
    MessageEdited: ({ stream, data }) => [
      update<MessageSearchRow>(idOfStream(stream), (row) => ({ ...row, words: vectorOf(data.text) })),
    ],
    MessageDeleted: ({ stream }) => [remove<MessageSearchRow>(idOfStream(stream))],
  },
  sweeps: {
    ConversationDeleted: ({ stream }) => ({ column: 'conversation_id', value: idOfStream(stream) }),
    ConversationMerged: ({ stream, data }) => ({
      column: 'conversation_id',
      value: idOfStream(stream),
      to: data.into,
    }),
  },
})

const phraseOf = ({ words, isOpen }: SearchTerm) =>
  words.map((word, n) => `'${word}'${isOpen && n === words.length - 1 ? ':*' : ''}`).join(' <-> ')

/** As PostgreSQL writes a tsquery; undefined where nothing is looked for. */
export const queryOf = (terms: readonly SearchTerm[]): string | undefined =>
  terms.some(({ excluded }) => !excluded)
    ? terms.map((term) => `${term.excluded ? '!' : ''}(${phraseOf(term)})`).join(' & ')
    : undefined

/** So many of the newest matches are ranked, however many there are. */
export const RANKED_MAX = 1000

export type MessageSearch = {
  readonly tenantId: string
  readonly terms: readonly SearchTerm[]
  readonly instanceId?: string | undefined
  readonly conversationId?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/**
 * So many of the newest messages are looked through first: a frequent word is found in them often enough. The index of
 * words finds the others: it tells all matches or none.
 */
const LOOKED_THROUGH = 20_000

/** The newest matches, best first: where the words stand close together or come often; of equals the newest. */
export const rankedMatches = (db: Kysely<Database>, search: MessageSearch, query: string) => {
  const { tenantId, instanceId = null, conversationId, from, to } = search
  const columns = ['id', 'number', 'at', 'words'] as const
  const sought = sql`${query}::tsquery`
  const isFound = sql<boolean>`words @@ ${sought} and (${instanceId}::uuid is null or instance_id = ${instanceId})`

  let inTime = db.selectFrom('message_search').where('tenant_id', '=', tenantId)
  if (from !== undefined) inTime = inTime.where('at', '>=', from)
  if (to !== undefined) inTime = inTime.where('at', '<=', to)
  let lookedThrough = inTime.select([...columns, 'instance_id']).orderBy('at', 'desc')
  // Without a limit of its own, the planner would let the index of words go first here as well.
  const limit = conversationId === undefined ? LOOKED_THROUGH : Number.MAX_SAFE_INTEGER
  if (conversationId !== undefined)
    lookedThrough = lookedThrough.where('conversation_id', '=', conversationId)

  const isEnough =
    conversationId === undefined
      ? sql<boolean>`(select count(*) from nearby) = ${RANKED_MAX}`
      : sql<boolean>`true`
  return db
    .with('nearby', () =>
      db
        .selectFrom(lookedThrough.limit(limit).as('messages'))
        .select(columns)
        .where(isFound)
        .orderBy('at', 'desc')
        .limit(RANKED_MAX),
    )
    .with(
      (cte) => cte('everywhere').materialized(),
      () =>
        inTime
          .select(columns)
          .where(isFound)
          .where(sql<boolean>`not ${isEnough}`),
    )
    .with('matching', (made) =>
      made
        .selectFrom('everywhere')
        .selectAll()
        .unionAll(made.selectFrom('nearby').selectAll().where(isEnough))
        .orderBy('at', 'desc')
        .limit(RANKED_MAX),
    )
    .selectFrom('matching')
    .select('id')
    .orderBy(sql`ts_rank_cd(words, ${sought})`, 'desc')
    .orderBy('at', 'desc')
    .orderBy('number', 'desc')
}

type Page = { readonly offset: number; readonly perPage: number }

/** One page of the messages that a search finds, each with the number of its conversation, and how many there are. */
export const searchMessages = async (db: Kysely<Database>, search: MessageSearch, page: Page) => {
  const query = queryOf(search.terms)
  const ranked = query === undefined ? [] : await rankedMatches(db, search, query).execute()
  const ids = ranked.slice(page.offset, page.offset + page.perPage).map(({ id }) => id)
  const rows = ids.length === 0 ? [] : await withConversations(db, ids)
  const byId = new Map(rows.map((row) => [row.id, row]))
  return { rows: ids.flatMap((id) => byId.get(id) ?? []), total: ranked.length }
}

const withConversations = (db: Kysely<Database>, ids: readonly string[]) =>
  db
    .selectFrom('message')
    .innerJoin('conversation', 'conversation.id', 'message.conversation_id')
    .selectAll('message')
    .select('conversation.number as conversation_number')
    .where('message.id', 'in', ids)
    .where('message.deleted_at', 'is', null)
    .execute()
