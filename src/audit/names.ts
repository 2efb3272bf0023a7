import type { Kysely } from 'kysely'
import type { Actor } from '../domain/metadata.ts'
import type { Recorded } from '../ports/event-store.ts'
import type { Database } from '../projections/database.ts'
import type { NameOf } from './summary.ts'

type Spoken = { readonly [T in 'account' | 'token' | 'automation' | 'tag']: ReadonlySet<string> }

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []

/** What events speak of by an id, but people read by a name: who acted, automations and tags. */
const spokenOf = (events: readonly Pick<Recorded, 'type' | 'data' | 'meta'>[]): Spoken => {
  const actors = (kind: Actor['kind']) =>
    events.flatMap(({ meta: { actor } }) => ('id' in actor && actor.kind === kind ? [actor.id] : []))
  const field = (name: string): unknown[] => events.map(({ data }): unknown => Reflect.get(data, name))
  return {
    account: new Set(actors('user')),
    token: new Set(actors('token')),
    automation: new Set([...actors('automation'), ...strings(field('automationId'))]),
    tag: new Set(['added', 'removed', 'tags'].flatMap((name) => field(name).flatMap(strings))),
  }
}

/** The names that events need, of one tenant or of all; each kind is looked up once for all of them. */
export const namesIn = async (
  db: Kysely<Database>,
  tenantId: string | undefined,
  events: readonly Pick<Recorded, 'type' | 'data' | 'meta'>[],
): Promise<NameOf> => {
  const spoken = spokenOf(events)
  const look = async (table: keyof Spoken) => {
    if (spoken[table].size === 0) return []
    let query = db
      .selectFrom(table)
      .select(['id', 'name'])
      .where('id', 'in', [...spoken[table]])
    if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId)
    return query.execute()
  }
  const found = await Promise.all((['account', 'token', 'automation', 'tag'] as const).map(look))
  const names = new Map(found.flat().map(({ id, name }) => [id, name]))
  return (id) => names.get(id) ?? null
}
