import type { Kysely } from 'kysely'
import { idOfStream } from '../domain/decider.ts'
import { foldText } from '../domain/fold-text.ts'
import type { Database } from './database.ts'
import { projection, put, remove, update } from './projection.ts'

export type TagRow = {
  id: string
  tenant_id: string
  name: string
  folded_name: string
  color: string
  created_at: string
  updated_at: string
}

/** The tags of every tenant. */
export const tags = projection<TagRow>({
  name: 'tag',
  version: 1,
  key: 'id',
  columns: {
    id: 'uuid',
    tenant_id: 'uuid not null',
    name: 'text not null',
    folded_name: 'text not null',
    color: 'text not null',
    created_at: 'timestamptz not null',
    updated_at: 'timestamptz not null',
  },
  indexes: ['(tenant_id, folded_name)'],
  on: {
    TagCreated: ({ stream, data, meta }) => {
      const id = idOfStream(stream)
      const { name, color, at } = data
      const folded_name = foldText(name)
      return [
        put<TagRow>(id, {
          id,
          tenant_id: meta.tenant,
          name,
          folded_name,
          color,
          created_at: at,
          updated_at: at,
        }),
      ]
    },
    TagChanged: ({ stream, data: { name, color, at } }) => [
      update<TagRow>(idOfStream(stream), (row) => ({
        ...row,
        name,
        folded_name: foldText(name),
        color,
        updated_at: at,
      })),
    ],
    TagDeleted: ({ stream }) => [remove<TagRow>(idOfStream(stream))],
  },
})

export type ListedTag = TagRow & { conversations_count: number }

/** The tags of a tenant by name, or the one with an id, each with the number of conversations that carry it. */
export const listTags = (db: Kysely<Database>, tenantId: string, id?: string): Promise<ListedTag[]> => {
  const query = db
    .selectFrom('tag')
    .selectAll()
    .select(({ selectFrom, fn }) =>
      selectFrom('conversation_tag')
        .select(fn.countAll<number>().as('count'))
        .whereRef('conversation_tag.tag_id', '=', 'tag.id')
        .$asScalar()
        .$notNull()
        .as('conversations_count'),
    )
    .where('tenant_id', '=', tenantId)
  return (id === undefined ? query.orderBy('folded_name') : query.where('id', '=', id)).execute()
}

/** The tag of a tenant that has a name, whatever its letter case and accents. */
export const tagNamed = async (
  db: Kysely<Database>,
  tenantId: string,
  name: string,
): Promise<string | undefined> => {
  const row = await db
    .selectFrom('tag')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('folded_name', '=', foldText(name))
    .executeTakeFirst()
  return row?.id
}

/** Those of some ids that are tags of the tenant. */
export const tagsAmong = (db: Kysely<Database>, tenantId: string, ids: readonly string[]) =>
  ids.length === 0
    ? Promise.resolve([])
    : db
        .selectFrom('tag')
        .select(['id', 'name', 'color'])
        .where('tenant_id', '=', tenantId)
        .where('id', 'in', [...ids])
        .execute()
