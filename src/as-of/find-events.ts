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
  /** Told how many events were read so far, of how many that are known to be needed. */
  readonly onProgress?: ((read: number, needed: number) => void) | undefined
}

/** Finds events of a tenant that were recorded by a time: where they are says `audit_event`, what they say the log. */
export const createEventFinder = (given: Given) => {
  const { client, store, tenantId, at, maxEvents, signal, onProgress } = given
  const taken = new Map<string, Recorded>()
  let needed = 0
  let read = 0

  const need = (count: number) => {
    needed += count
    if (needed > maxEvents) throw new TooManyEvents(`More than ${maxEvents} events`)
  }
  const readAll = async <T>(streams: Iterable<T>, readOne: (stream: T) => Promise<readonly Recorded[]>) => {
    const waiting = streams[Symbol.iterator]()
    const events: Recorded[] = []
    const reader = async () => {
      for (let next = waiting.next(); !next.done; next = waiting.next()) {
        signal.throwIfAborted()
        const found = await readOne(next.value)
        for (const event of found) events.push(upcast(event))
        read += found.length
        onProgress?.(read, needed)
      }
    }
    await Promise.all(Array.from({ length: READERS }, reader))
    return events
  }
  const keep = (events: readonly Recorded[]) => {
    for (const event of events) taken.set(event.id, event)
    return events
  }

  /** The revisions of each stream that hold what is wanted. */
  const placesOf = async ({ types, about, since, until = at }: Wanted) => {
    const places = new Map<string, Set<number>>()
    if (types.length === 0 || about?.length === 0) return places
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
        Number.isFinite(maxEvents) ? maxEvents - needed + 1 : null,
      ],
    )
    need(rows.length)
    for (const { stream, revision } of rows) {
      const revisions = places.get(stream)
      if (revisions) revisions.add(revision)
      else places.set(stream, new Set([revision]))
    }
    return places
  }

  /** The events that are wanted, in no order and in their newest shape. */
  const look = async (wanted: Wanted): Promise<readonly Recorded[]> =>
    readAll(await placesOf(wanted), async ([stream, revisions]) => {
      const events = await store.readStream(stream, Math.min(...revisions))
      const found = events.filter(({ revision }) => revisions.has(revision))
      if (found.length !== revisions.size) throw new Error(`The log lacks events of ${stream}`)
      return found
    })

  return {
    look,
    /** The same; they are kept, too. */
    take: async (wanted: Wanted) => keep(await look(wanted)),
    /** Takes all events of some short streams. */
    takeStreams: async (streams: Iterable<string>) =>
      keep(
        await readAll(streams, async (stream) => {
          const events = await store.readStream(stream)
          const found = events.filter(({ meta }) => meta.tenant === tenantId && meta.at <= at)
          need(found.length)
          return found
        }),
      ),
    /** All that were taken, in the order of the log. */
    taken: () => [...taken.values()].sort((one, other) => (one.position < other.position ? -1 : 1)),
  }
}
export type EventFinder = ReturnType<typeof createEventFinder>
