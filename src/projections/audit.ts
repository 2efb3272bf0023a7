import { aboutOf } from '../domain/about.ts'
import { catalogue } from '../domain/catalogue.ts'
import type { Actor } from '../domain/metadata.ts'
import type { Recorded } from '../ports/event-store.ts'
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
  version: 1,
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
  // Every event pays for these: one index for all that is rare, one for the order, and a tiny one for times.
  indexes: [
    'using gin (about, correlation, causation, type)',
    '(tenant_id, position)',
    'using brin (at) with (autosummarize = on)',
  ],
  on: Object.fromEntries(Object.keys(catalogue).map((type) => [type, rowOf])),
})
