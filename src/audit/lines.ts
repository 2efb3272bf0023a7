import type { Kysely } from 'kysely'
import { aboutOf } from '../domain/about.ts'
import type { Actor } from '../domain/metadata.ts'
import { isUuid } from '../domain/values.ts'
import type { Recorded } from '../ports/event-store.ts'
import { auditRows, type AuditEventRow } from '../projections/audit.ts'
import type { Database } from '../projections/database.ts'
import { readEvents, type ReadStream } from './events.ts'
import { namesIn } from './names.ts'
import { withoutSecrets } from './secrets.ts'
import { summaryOf, type NameOf } from './summary.ts'

/** Why something happened: what it was part of, and the event that led to it, if one did. */
export type Cause = {
  readonly correlation_id: string
  readonly causation_id: string | null
  /** Of the causing event; null where it is not known. */
  readonly type: string | null
  readonly stream: string | null
}
export type ShownActor = {
  readonly kind: Actor['kind']
  readonly id: string | null
  readonly name: string | null
}

/** An event as an auditor reads it. */
export type AuditLine = {
  readonly id: string
  readonly at: string
  readonly type: string
  readonly summary: string
  readonly actor: ShownActor
  readonly cause: Cause
  readonly stream: string
  readonly revision: number
  readonly about: readonly string[]
  readonly data: Record<string, unknown>
  /** What it said of people is gone. */
  readonly erased?: true
}

export const actorOf = ({ meta: { actor } }: Pick<Recorded, 'meta'>, nameOf: NameOf): ShownActor => {
  const id = 'id' in actor ? actor.id : null
  return { kind: actor.kind, id, name: id === null ? null : nameOf(id) }
}

const lineOf = (event: Recorded, nameOf: NameOf, causeOf: CauseOf): AuditLine => ({
  id: event.id,
  at: event.meta.at,
  type: event.type,
  summary: summaryOf(event, nameOf),
  actor: actorOf(event, nameOf),
  cause: causeOf(event),
  stream: event.stream,
  revision: event.revision,
  about: aboutOf(event),
  data: withoutSecrets(event.data),
  ...(event.erased && { erased: true as const }),
})

export type CauseOf = (event: Pick<Recorded, 'meta'>) => Cause
type Known = Pick<AuditEventRow, 'type' | 'stream'> & { readonly tenant: string }

type Parts = { readonly db: Kysely<Database>; readonly readStream: ReadStream }

/** Makes events readable, a page at a time: what names and causes there are is looked up once for all of it. */
export const createAuditLines = ({ db, readStream }: Parts) => {
  /** What led to events, as far as it is known; nothing of another tenant. */
  const causesOf = async (events: readonly Recorded[]): Promise<CauseOf> => {
    const known = new Map<string, Known>(
      events.map(({ id, type, stream, meta: { tenant } }) => [id, { type, stream, tenant }]),
    )
    const missing = events.flatMap(({ meta: { causation } }) =>
      causation !== undefined && isUuid(causation) && !known.has(causation) ? [causation] : [],
    )
    for (const { id, type, stream, tenant_id: tenant } of await auditRows(db, missing))
      known.set(id, { type, stream, tenant })
    return ({ meta: { tenant, correlation, causation = null } }) => {
      const cause = causation === null ? undefined : known.get(causation)
      const { type, stream } = cause?.tenant === tenant ? cause : { type: null, stream: null }
      return { correlation_id: correlation, causation_id: causation, type, stream }
    }
  }

  /** The events that rows stand for, in the same order, as the log has them now. */
  const eventsOf = async (rows: readonly AuditEventRow[]): Promise<Recorded[]> => {
    const eventAt = await readEvents(readStream, rows)
    return rows.map((row) => {
      const event = eventAt(row)
      if (!event) throw new Error(`The log has no revision ${row.revision} of ${row.stream}`)
      return event
    })
  }

  const describe = async (tenantId: string | undefined, events: readonly Recorded[]) => {
    const [nameOf, causeOf] = await Promise.all([namesIn(db, tenantId, events), causesOf(events)])
    return { nameOf, causeOf }
  }

  const linesOf = async (tenantId: string | undefined, events: readonly Recorded[]): Promise<AuditLine[]> => {
    const { nameOf, causeOf } = await describe(tenantId, events)
    return events.map((event) => lineOf(event, nameOf, causeOf))
  }

  return { eventsOf, describe, linesOf }
}
export type AuditLines = ReturnType<typeof createAuditLines>
