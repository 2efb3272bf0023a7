import type { Kysely } from 'kysely'
import { isSerial, isUuid } from '../domain/values.ts'
import type { Recorded } from '../ports/event-store.ts'
import { auditPage, auditRows } from '../projections/audit.ts'
import type { Database } from '../projections/database.ts'
import type { Attempt, Deliveries, DeliveryRow } from '../webhooks/deliveries.ts'
import { readEvents, type ReadStream } from './events.ts'
import { createAuditLines, type AuditLine, type ShownActor } from './lines.ts'

/** A chain is longer only if somebody has made it so by hand. */
const STEPS_MAX = 50

type FirstCause = {
  /** `request`: somebody called the API; `whatsapp`: it came from there; `system`: the program did it by itself. */
  readonly kind: 'request' | 'whatsapp' | 'system'
  readonly correlation_id: string
  readonly actor: ShownActor
  /** The message that WhatsApp told, or told something of. */
  readonly whatsapp_message_id: string | null
}
export type CauseStep =
  | {
      readonly kind: 'delivery'
      readonly id: number
      readonly instance_id: string
      readonly state: DeliveryRow['state']
      readonly created_at: string
      readonly attempts: readonly Attempt[]
    }
  | { readonly kind: 'public_event'; readonly id: string; readonly event: string }
  | ({ readonly kind: 'event' } & AuditLine)
  | FirstCause
  /** The event that is named as the cause is not in this log, or too far back. */
  | { readonly kind: 'unknown'; readonly id: string }

type Parts = {
  readonly db: Kysely<Database>
  readonly readStream: ReadStream
  readonly deliveries: Pick<Deliveries, 'find' | 'ofEvent'>
}

/**
 * Follows what happened back to what set it off: from a delivery (by its number) or a public event to the stored event
 * that it tells of, from there to the event that led to that one, and so on to the request, the WhatsApp message, or
 * the program itself. Undefined if nothing of the tenant has this id.
 */
export const createCauses = ({ db, readStream, deliveries }: Parts) => {
  const lines = createAuditLines({ db, readStream })

  /** Deliveries of a number or a public event, and the public event. */
  const outsideOf = async (tenantId: string | undefined, ref: string) => {
    const found = isSerial(ref)
      ? [await deliveries.find(Number(ref))]
      : isUuid(ref)
        ? await deliveries.ofEvent(ref)
        : []
    const rows = found.flatMap((row) =>
      row && (tenantId === undefined || row.tenant_id === tenantId) ? [row] : [],
    )
    const [first] = rows
    if (!first) return undefined
    const steps: CauseStep[] = rows.map(({ id, instance_id, state, created_at, attempts }) => ({
      ...{ kind: 'delivery', id, instance_id, state, created_at, attempts },
    }))
    const told = { kind: 'public_event', id: first.event_id, event: first.event } as const
    return { steps: [...steps, told], causation: first.causation }
  }

  const eventOf = async (tenantId: string | undefined, id: string): Promise<Recorded | undefined> => {
    const rows = await auditRows(db, isUuid(id) ? [id] : [])
    const row = rows.find(({ tenant_id }) => tenantId === undefined || tenant_id === tenantId)
    return row && (await readEvents(readStream, [row]))(row)
  }

  /** An event, and those that led to it, the first cause last. */
  const eventsBehind = async (tenantId: string | undefined, id: string) => {
    const events: Recorded[] = []
    for (let next = id; ;) {
      const event = events.length < STEPS_MAX ? await eventOf(tenantId, next) : undefined
      if (!event) return { events, unknown: next }
      events.push(event)
      const { causation } = event.meta
      if (causation === undefined) return { events }
      next = causation
    }
  }

  const TOLD = ['MessageReceived', 'MessageSentFromPhone']
  const whatsappIdIn = (event: Recorded | undefined): string | null => {
    const id: unknown = event && Reflect.get(event.data, 'whatsappId')
    return typeof id === 'string' ? id : null
  }
  /** The message that an event is about, or that was told together with it. */
  const messageOf = async ({ stream, meta }: Recorded): Promise<string | null> => {
    if (stream.startsWith('message-')) return whatsappIdIn((await readStream(stream)).find(whatsappIdIn))
    const filter = { tenantId: meta.tenant, correlation: meta.correlation, types: TOLD }
    const [row] = await auditPage(db, filter, { order: 'asc', limit: 1 })
    return row ? whatsappIdIn((await readEvents(readStream, [row]))(row)) : null
  }

  const kindOf = ({ meta: { actor } }: Recorded): FirstCause['kind'] => {
    switch (actor.kind) {
      case 'user':
      case 'token':
      case 'operator':
        return 'request'
      case 'gateway':
        return 'whatsapp'
      case 'automation':
      case 'system':
        return 'system'
    }
  }
  const firstCauseOf = async (event: Recorded, { actor }: AuditLine): Promise<FirstCause> => ({
    kind: kindOf(event),
    correlation_id: event.meta.correlation,
    actor,
    whatsapp_message_id: await messageOf(event),
  })

  return async (tenantId: string | undefined, ref: string): Promise<CauseStep[] | undefined> => {
    const outside = await outsideOf(tenantId, ref)
    const { events, unknown } = await eventsBehind(tenantId, outside?.causation ?? ref)
    if (!outside && events.length === 0) return undefined
    const shown = await lines.linesOf(tenantId, events)
    const [last, lastShown] = [events.at(-1), shown.at(-1)]
    return [
      ...(outside?.steps ?? []),
      ...shown.map((line) => ({ kind: 'event' as const, ...line })),
      ...(unknown === undefined
        ? last && lastShown
          ? [await firstCauseOf(last, lastShown)]
          : []
        : [{ kind: 'unknown' as const, id: unknown }]),
    ]
  }
}
