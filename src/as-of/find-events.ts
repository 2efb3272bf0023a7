import type { PoolClient } from 'pg'
import { upcast } from '../domain/catalogue.ts'
import type { EventStore, Recorded } from '../ports/event-store.ts'

/**
 * Streams that are read from the log at once. The log in PostgreSQL reads 256 in one round trip: two questions leave room
 * in it for whoever writes meanwhile.
 */
const READERS = 100

export type Wanted = {
  readonly types: readonly string[]
  /** Any of these ids; without them, whatever an event is about. */
  readonly about?: readonly string[] | undefined
  readonly since?: string
  readonly until?: string
}

/** More events would have to be read than one question may. */
export class TooManyEvents extends Error {
  override name = 'TooManyEvents'
}

type Given = {
  readonly client: PoolClient
  readonly store: Pick<EventStore, 'readStream'>
  readonly tenantId: string
  readonly at: string
  /** Of all that is looked for. */
  readonly maxEvents: number
  readonly signal: AbortSignal
  /** Told how many more events are to be read, and of each that was. */
  readonly onProgress?: ((more: { readonly found?: number; readonly read?: number }) => void) | undefined
}

/** Finds events of a tenant that were recorded by a time: where they are says `audit_event`, what they say the log. */
export const createEventFinder = (given: Given) => {
  const { client, store, tenantId, at, maxEvents, signal, onProgress } = given
  const taken = new Map<string, Recorded>()
  let found = 0

  const placesOf = async ({ types, about, since, until = at }: Wanted) => {
    if (types.length === 0 || about?.length === 0) return new Map<string, Set<number>>()
    const left = Number.isFinite(maxEvents) ? maxEvents - found : undefined
    const { rows } = await client.query<{ stream: string; revision: number }>(
      `select stream, revision from audit_event
       where tenant_id = $1 and at <= $2 and type = any($3::text[])
         ${about ? 'and about && $4::uuid[]' : 'and $4::uuid[] is null'}
         ${since === undefined ? 'and $5::text is null' : 'and at >= $5'}
       limit $6`,
      [
        tenantId,
        until < at ? until : at,
        types,
        about ?? null,
        since ?? null,
        left === undefined ? null : left + 1,
      ],
    )
    found += rows.length
    if (left !== undefined && rows.length > left) throw new TooManyEvents(`More than ${maxEvents} events`)
    onProgress?.({ found: rows.length })
    const places = new Map<string, Set<number>>()
    for (const { stream, revision } of rows) {
      const revisions = places.get(stream)
      if (revisions) revisions.add(revision)
      else places.set(stream, new Set([revision]))
    }
    return places
  }

  const readFrom = async (stream: string, revisions: ReadonlySet<number>) => {
    const first = Math.min(...revisions)
    const events = (await store.readStream(stream, first)).filter(({ revision }) => revisions.has(revision))
    if (events.length !== revisions.size) throw new Error(`The log lacks events of ${stream}`)
    onProgress?.({ read: events.length })
    return events.map((event) => upcast(event))
  }

  /** The events that are wanted, in no order and in the newest shape. */
  const look = async (wanted: Wanted): Promise<Recorded[]> => {
    const waiting = (await placesOf(wanted)).entries()
    const events: Recorded[] = []
    const reader = async () => {
      for (const [stream, revisions] of waiting) {
        signal.throwIfAborted()
        events.push(...(await readFrom(stream, revisions)))
      }
    }
    await Promise.all(Array.from({ length: READERS }, reader))
    return events
  }

  /** The same; they are kept, too. */
  const take = async (wanted: Wanted): Promise<Recorded[]> => {
    const events = await look(wanted)
    for (const event of events) taken.set(event.id, event)
    return events
  }

  return {
    look,
    take,
    /** All that were taken, in the order of the log. */
    taken: () => [...taken.values()].sort((one, other) => (one.position < other.position ? -1 : 1)),
  }
}
export type EventFinder = ReturnType<typeof createEventFinder>
