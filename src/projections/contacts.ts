import { sql, type Kysely } from 'kysely'
import type { ContactDetails } from '../domain/contact.ts'
import { idOfStream } from '../domain/decider.ts'
import { foldText } from '../domain/fold-text.ts'
import { numberOf } from '../domain/values.ts'
import type { Database } from './database.ts'
import { projection, remove, update } from './projection.ts'
import { likePattern, searched, searchText } from './search-text.ts'

export type ContactRow = {
  id: string
  number: number
  tenant_id: string
  instance_id: string
  phone_number: string
  /** As a user named it. */
  name: string | null
  /** As people call themselves. */
  push_name: string | null
  /** As the address book of the phone has it. */
  book_name: string | null
  business: boolean
  email: string | null
  company: string | null
  notes: string | null
  saved: boolean
  /** Beginning of the folded name that lists are sorted by. */
  sort_name: string
  /** Folded text that a search looks into. */
  search: string
  /** What else it answers to: ids and numbers of those that became part of it. */
  aliases: string[] | null
  created_at: string
}

/** Characters; an index cannot hold names of any length. */
const SORTED_MAX = 100

type Place = {
  readonly number: number
  readonly instanceId: string
  readonly jid: string
  readonly aliases?: readonly string[]
  readonly at: string
}
type Stored = { readonly stream: string; readonly meta: { readonly tenant: string } }
const firstRow = ({ stream, meta }: Stored, data: Place): ContactRow => ({
  id: idOfStream(stream),
  number: data.number,
  tenant_id: meta.tenant,
  instance_id: data.instanceId,
  phone_number: numberOf(data.jid),
  name: null,
  push_name: null,
  book_name: null,
  business: false,
  email: null,
  company: null,
  notes: null,
  saved: false,
  sort_name: '',
  search: '',
  aliases: data.aliases && data.aliases.length > 0 ? [...data.aliases] : null,
  created_at: data.at,
})

/** A row with the columns that follow from its names. */
const named = (row: ContactRow): ContactRow => {
  const { name, book_name, push_name, phone_number } = row
  const sorted = foldText(name ?? book_name ?? push_name ?? phone_number)
  return {
    ...row,
    sort_name: Array.from(sorted).slice(0, SORTED_MAX).join(''),
    search: searchText([name, book_name, push_name], phone_number),
  }
}

/** The columns that a user fills. */
const detailColumns = ({ name, email, company, notes }: ContactDetails) => ({
  name: name ?? null,
  email: email ?? null,
  company: company ?? null,
  notes: notes ?? null,
  saved: true,
})

/** The order of lists, and what they need beside: rows are found, skipped and counted without reading the table. */
const listed = 'sort_name, number) include (id, search'

/** The people that the instances of every tenant know. */
export const contacts = projection<ContactRow>({
  name: 'contact',
  version: 3,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    phone_number: 'text not null',
    name: 'text',
    push_name: 'text',
    book_name: 'text',
    business: 'boolean not null',
    email: 'text',
    company: 'text',
    notes: 'text',
    saved: 'boolean not null',
    sort_name: 'text not null',
    search: 'text not null',
    aliases: 'text[]',
    created_at: 'timestamptz not null',
  },
  indexes: [
    `(tenant_id, ${listed})`,
    `(tenant_id, instance_id, ${listed})`,
    '(tenant_id, number)',
    '(tenant_id, instance_id, number)',
    '(number)',
    'using gin (tenant_id, search gin_trgm_ops)',
    'using gin (aliases) where aliases is not null',
  ],
  on: {
    ContactCreated: (event) => [
      {
        key: idOfStream(event.stream),
        evolve: (row = firstRow(event, event.data)) => named({ ...row, ...detailColumns(event.data) }),
      },
    ],
    ContactLearned: (event) => [
      {
        key: idOfStream(event.stream),
        evolve: (row = firstRow(event, event.data)) =>
          named({
            ...row,
            push_name: event.data.pushName ?? row.push_name,
            book_name: event.data.bookName ?? row.book_name,
            business: event.data.business ?? row.business,
          }),
      },
    ],
    ContactChanged: ({ stream, data }) => [
      update<ContactRow>(idOfStream(stream), (row) => named({ ...row, ...detailColumns(data) })),
    ],
    ContactDeleted: ({ stream }) => [remove<ContactRow>(idOfStream(stream))],
    ContactMerged: ({ stream }) => [remove<ContactRow>(idOfStream(stream))],
    ContactUnited: (event) => [
      {
        key: idOfStream(event.stream),
        evolve: (row = firstRow(event, event.data)) =>
          named({
            ...row,
            ...detailColumns(event.data),
            push_name: event.data.pushName ?? null,
            book_name: event.data.bookName ?? null,
            business: event.data.business ?? false,
            saved: event.data.saved,
            aliases: [...new Set([...(row.aliases ?? []), ...event.data.aliases])],
          }),
      },
    ],
  },
})

export type ContactFilter = {
  readonly tenantId: string
  readonly instanceId?: string | undefined
  readonly search?: string | undefined
}

const matching = (db: Kysely<Database>, { tenantId, instanceId, search }: ContactFilter) => {
  let query = db.selectFrom('contact').where('tenant_id', '=', tenantId)
  if (instanceId !== undefined) query = query.where('instance_id', '=', instanceId)
  if (search?.trim()) query = query.where('search', 'like', likePattern(searched(search)))
  return query
}

/** One page of contacts by name, and how many there are in all. */
export const listContacts = async (
  db: Kysely<Database>,
  filter: ContactFilter & { readonly page: number; readonly perPage: number },
) => {
  const query = matching(db, filter)
  const page = query
    .select('contact.id')
    .orderBy('sort_name')
    .orderBy('number')
    .limit(filter.perPage)
    .offset((filter.page - 1) * filter.perPage)
  const [rows, count] = await Promise.all([
    db
      .selectFrom(page.as('page'))
      .innerJoin('contact', 'contact.id', 'page.id')
      .selectAll('contact')
      .orderBy('sort_name')
      .orderBy('number')
      .execute(),
    query.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
  ])
  return { rows, total: count.total }
}

/** All contacts, the oldest first, page by page; whatever changes meanwhile, none comes twice. */
export async function* contactPages(db: Kysely<Database>, filter: ContactFilter, perPage: number) {
  const query = matching(db, filter).selectAll().orderBy('number').limit(perPage)
  for (let after = 0; ;) {
    const page = await query.where('number', '>', after).execute()
    const last = page.at(-1)
    if (!last) return
    yield page
    after = last.number
  }
}

/** The names that people see of some contacts, by their ids. */
export const contactNames = async (db: Kysely<Database>, ids: readonly string[]) => {
  const rows =
    ids.length === 0
      ? []
      : await db
          .selectFrom('contact')
          .select(['id', 'name', 'book_name', 'push_name'])
          .where('id', 'in', [...ids])
          .execute()
  const names = new Map(
    rows.map(({ id, name, book_name, push_name }) => [id, name ?? book_name ?? push_name ?? undefined]),
  )
  return (id: string): string | undefined => names.get(id)
}

/** The same, for ids that may be those of contacts that became part of others. */
export const namesOfAnybody = async (db: Kysely<Database>, ids: readonly string[]) => {
  const rows =
    ids.length === 0
      ? []
      : await db
          .selectFrom('contact')
          .select(['aliases', 'name', 'push_name'])
          .where(sql<boolean>`aliases && ${[...ids]}::text[]`)
          .execute()
  const nameOf = await contactNames(db, ids)
  const merged = new Map(
    rows.flatMap(({ aliases, name, push_name }) =>
      (aliases ?? []).map((alias) => [alias, name ?? push_name ?? undefined] as const),
    ),
  )
  return (id: string): string | undefined => nameOf(id) ?? merged.get(id)
}

/** The ids of a tenant's contacts whose names or number match a pattern, as a part of another query. */
export const contactsLike = (db: Kysely<Database>, tenantId: string, pattern: string) =>
  db.selectFrom('contact').select('id').where('tenant_id', '=', tenantId).where('search', 'like', pattern)
