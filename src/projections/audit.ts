import { sql, type Kysely } from 'kysely'
import { aboutOf } from '../domain/about.ts'
import { catalogue } from '../domain/catalogue.ts'
import { idOfStream } from '../domain/decider.ts'
import type { Actor } from '../domain/metadata.ts'
import type { Recorded } from '../ports/event-store.ts'
import type { Database } from './database.ts'
import { projection, put, type Change } from './projection.ts'

export type AuditEventRow = {
  /** Id of the event. */
  id: string
  /** The order of the log: other logs give other positions to the same events. */
  position: number
  tenant_id: string
  /** When it was recorded. */
  at: string
  type: string
  stream: string
  revision: number
  actor_kind: Actor['kind']
  actor_id: string | null
  correlation: string
  causation: string | null
  /** Every id that it is about. */
  about: string[]
}

/** Nobody waits for it but an auditor, whose question ends the rest; so the indexes are written in large portions. */
const REST_MS = 250

const rowOf = (event: Recorded): Change<AuditEventRow>[] => {
  const { id, position, type, stream, revision, meta } = event
  return [
    put<AuditEventRow>(id, {
      id,
      position: Number(position),
      tenant_id: meta.tenant,
      at: meta.at,
      type,
      stream,
      revision,
      actor_kind: meta.actor.kind,
      actor_id: 'id' in meta.actor ? meta.actor.id : null,
      correlation: meta.correlation,
      causation: meta.causation ?? null,
      about: aboutOf(event),
    }),
  ]
}

/**
 * Where each event stands in the log, and by what it is found. It holds nothing personal and nothing of what happened:
 * that is read from the log. The one read model that keeps positions, since it is an index of the log.
 */
export const auditEvents = projection<AuditEventRow>({
  name: 'audit_event',
  version: 2,
  key: 'id',
  columns: {
    id: 'uuid',
    position: 'bigint not null',
    tenant_id: 'uuid not null',
    at: 'text not null',
    type: 'text not null',
    stream: 'text not null',
    revision: 'integer not null',
    actor_kind: 'text not null',
    actor_id: 'uuid',
    correlation: 'text not null',
    causation: 'text',
    about: 'uuid[] not null',
  },
  restMs: REST_MS,
  // Every event pays for these. Those of frequent things are read in the order of the log until enough are found.
  indexes: [
    'using gin (about, type)',
    '(tenant_id, position)',
    '(correlation)',
    '(causation) where causation is not null',
    // With wider ranges than 16 pages PostgreSQL believes, after some samples, that it is cheaper to walk back from the end.
    'using brin (at) with (pages_per_range = 16, autosummarize = on)',
  ],
  on: Object.fromEntries(Object.keys(catalogue).map((type) => [type, rowOf])),
})

/** What is asked for; an event is found if all of it holds. What is left out does not matter. */
export type AuditFilter = {
  readonly tenantId?: string | undefined
  /** Lists of ids, for each of which the event is about at least one: a thing, and what became part of it. */
  readonly about?: readonly (readonly string[])[] | undefined
  readonly types?: readonly string[] | undefined
  readonly actorKind?: Actor['kind'] | undefined
  readonly correlation?: string | undefined
  readonly causation?: string | undefined
  /** When it was recorded, both ends included. ISO 8601 in UTC. */
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/** Whether an event is one that a filter finds. */
export const isFound = (filter: AuditFilter, event: Recorded): boolean => {
  const { type, meta } = event
  const is = (wanted: string | undefined, found: string | undefined) =>
    wanted === undefined || wanted === found
  const isAbout = (lists: readonly (readonly string[])[]) => {
    const about = new Set(aboutOf(event))
    return lists.every((ids) => ids.some((id) => about.has(id)))
  }
  return (
    is(filter.tenantId, meta.tenant) &&
    is(filter.actorKind, meta.actor.kind) &&
    is(filter.correlation, meta.correlation) &&
    is(filter.causation, meta.causation) &&
    (filter.types?.includes(type) ?? true) &&
    (filter.from === undefined || filter.from <= meta.at) &&
    (filter.to === undefined || filter.to >= meta.at) &&
    (!filter.about || isAbout(filter.about))
  )
}

/** Events of a filter, in no order. */
const found = (db: Kysely<Database>, filter: AuditFilter) => {
  let query = db.selectFrom('audit_event').selectAll()
  if (filter.tenantId !== undefined) query = query.where('tenant_id', '=', filter.tenantId)
  for (const ids of filter.about ?? []) query = query.where(sql<boolean>`about && ${[...ids]}::uuid[]`)
  if (filter.types) query = query.where('type', '=', sql<string>`any(${[...filter.types]}::text[])`)
  if (filter.actorKind !== undefined) query = query.where('actor_kind', '=', filter.actorKind)
  if (filter.correlation !== undefined) query = query.where('correlation', '=', filter.correlation)
  if (filter.causation !== undefined) query = query.where('causation', '=', filter.causation)
  if (filter.from !== undefined) query = query.where('at', '>=', filter.from)
  if (filter.to !== undefined) query = query.where('at', '<=', filter.to)
  return query
}

export type AuditPage = {
  readonly order: 'asc' | 'desc'
  /** The last position of the page before, in this order. */
  readonly after?: number | undefined
  /** The last position to look at, where the table may know more. */
  readonly upTo?: number | undefined
  /** What was before the last deletion of something went with it. */
  readonly since?: readonly { readonly id: string; readonly position: number }[]
  readonly limit: number
}

/** One page of what a filter finds, in the order of the log or the other way round. */
export const auditPage = (
  db: Kysely<Database>,
  filter: AuditFilter,
  { order, after, upTo, since = [], limit }: AuditPage,
): Promise<AuditEventRow[]> => {
  let query = found(db, filter)
  if (after !== undefined) query = query.where('position', order === 'asc' ? '>' : '<', after)
  if (upTo !== undefined) query = query.where('position', '<=', upTo)
  for (const { id, position } of since)
    query = query.where(sql<boolean>`not (position < ${position} and about @> array[${id}]::uuid[])`)
  return query.orderBy('position', order).limit(limit).execute()
}

/** Where events stand, by their ids. */
export const auditRows = async (db: Kysely<Database>, ids: readonly string[]): Promise<AuditEventRow[]> =>
  ids.length === 0
    ? []
    : db
        .selectFrom('audit_event')
        .selectAll()
        .where('id', '=', sql<string>`any(${[...new Set(ids)]}::uuid[])`)
        .execute()

/** Whether anything that happened to a tenant is about an id. */
export const isKnownTo = async (db: Kysely<Database>, tenantId: string, id: string) =>
  (await found(db, { tenantId, about: [[id]] })
    .limit(1)
    .executeTakeFirst()) !== undefined

/**
 * Where the last end of conversations was: what happened to one before it was deleted, itself or as part of another one,
 * went with it.
 */
export const endsOf = async (db: Kysely<Database>, tenantId: string, conversationIds: readonly string[]) => {
  const types = ['ConversationDeleted', 'ConversationMerged']
  const rows = await found(db, { tenantId, about: [conversationIds], types })
    .orderBy('position')
    .execute()
  const own = new Map<string, number>()
  const merges = new Map<string, { readonly position: number; readonly into: string }>()
  for (const { type, stream, position, about } of rows) {
    const id = idOfStream(stream)
    const into = about.find((other) => other !== id && conversationIds.includes(other))
    if (type === 'ConversationDeleted') own.set(id, position)
    else if (into !== undefined && !merges.has(id)) merges.set(id, { position, into })
  }
  /** A later deletion of what it had become part of by then. */
  const endOf = (id: string): number => {
    const merge = merges.get(id)
    const end = merge ? endOf(merge.into) : 0
    return Math.max(own.get(id) ?? 0, merge && end > merge.position ? end : 0)
  }
  return conversationIds.map((id) => ({ id, position: endOf(id) })).filter(({ position }) => position > 0)
}
